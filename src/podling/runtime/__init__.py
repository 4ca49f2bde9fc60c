"""Containers and images behind one interface: OCI runtimes through the node's keeper, and a simulated one."""
