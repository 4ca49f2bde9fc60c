"""Facts about types in one shape, and everything that is driven by that shape."""
