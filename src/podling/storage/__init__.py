"""A log of revisions: the interface, its backends, and the watch cache all reads are answered from."""
