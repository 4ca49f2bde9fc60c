"""Ratcheting: what was wrong already and has not been touched does not stop an update (KEP-4008).

A finding counts only where the value at its path differs from the old object's value there. Items of lists correspond
by their map keys or not at all, unless the whole list is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.schema.custom.pruning import Schema
from podling.api.schema.custom.values import Finding
from podling.api.schema.types import Path

MISSING: Final = object()


def ratcheted(findings: Iterable[Finding], new: Any, old: Any, schema: Schema) -> list[Cause]:
    """The causes that an update is refused for; `schema` tells which items of lists correspond."""
    return [found.cause for found in findings if not _untouched(_keys(found.path), new, old, schema)]


def _keys(path: Path) -> list[Any]:
    out: list[Any] = []
    while path:
        path, key, _ = path
        out.append(key)
    return out[::-1]


def _untouched(keys: list[Any], new: Any, old: Any, schema: Schema) -> bool:
    for key in keys:
        if new.__class__ is list and old.__class__ is list:
            below = _items(key, new, old, schema.get("x-kubernetes-list-map-keys") or ())
            inner = schema.get("items")
        elif new.__class__ is dict and old.__class__ is dict:
            below = new.get(key, MISSING), old.get(key, MISSING)
            inner = (schema.get("properties") or {}).get(key, schema.get("additionalProperties"))
        else:
            return bool(new == old)
        if below[1] is MISSING:
            # New, or a required field that has been missing before: what stands around it decides.
            return bool(new == old)
        (new, old), schema = below, inner if isinstance(inner, Mapping) else {}
    return bool(new == old)


def _items(index: Any, new: list[Any], old: list[Any], keys: Sequence[str]) -> tuple[Any, Any]:
    """An item and the old one with the same map keys."""
    item = new[index] if isinstance(index, int) and index < len(new) else MISSING
    if not keys or item.__class__ is not dict:
        return item, MISSING
    sought = [item.get(key) for key in keys]
    same = (each for each in old if each.__class__ is dict and [each.get(key) for key in keys] == sought)
    return item, next(same, MISSING)
