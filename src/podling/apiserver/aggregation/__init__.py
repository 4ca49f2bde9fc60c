"""Aggregation: group versions that other servers answer, behind this one's address, identity and discovery."""
