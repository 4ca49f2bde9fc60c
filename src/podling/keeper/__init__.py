"""Pid 1 of a node: holds namespaces, containers, logs, ttys and published listeners. Knows no Kubernetes."""
