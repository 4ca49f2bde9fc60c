"""Flow schemas and priority levels: which a cluster has, and to which of them a request belongs."""
