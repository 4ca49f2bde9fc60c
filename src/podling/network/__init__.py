"""Addresses and ways: Pod networks inside the node's namespaces, published ports, the Dialer."""
