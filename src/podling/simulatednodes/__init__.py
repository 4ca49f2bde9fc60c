"""Simulated nodes: thousands of them in one process, their Pods going through declared stages."""
