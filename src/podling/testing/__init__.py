"""Clusters and simulations for tests."""
