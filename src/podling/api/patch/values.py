"""JSON values as values: a patch may be applied again after a lost race, so what it gives away is a copy."""

from __future__ import annotations

from typing import Any


def copied(value: Any) -> Any:
    """A deep copy of a JSON value; objects and lists are new, the rest is shared."""
    if value.__class__ is dict:
        return {key: copied(item) for key, item in value.items()}
    if value.__class__ is list:
        return [copied(item) for item in value]
    return value
