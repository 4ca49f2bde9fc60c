"""What lies between endpoints and the store: keys, heads, strategies, allocators, bootstrap."""
