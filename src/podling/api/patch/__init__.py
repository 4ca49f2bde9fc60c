"""The patches of the API: JSON Patch, merge patch, strategic merge patch."""
