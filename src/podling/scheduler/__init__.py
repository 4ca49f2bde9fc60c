"""Which node a Pod runs on: a pure cycle, its plugins, the snapshot and the queue."""
