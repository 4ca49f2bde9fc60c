"""The node agent: Pods of its node become containers, and their state becomes status."""
