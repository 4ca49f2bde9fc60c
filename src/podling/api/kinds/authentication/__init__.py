"""Kinds of the group: one file per kind."""
