"""The roles and bindings every cluster begins with, as values; facts of the Kubernetes documentation, "Using RBAC"."""
