"""Names of Services and Pods: a pure resolver and its server."""
