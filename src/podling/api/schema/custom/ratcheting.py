"""Ratcheting: what was wrong already and has not been touched does not stop an update (KEP-4008).

A finding counts only where the value at its path differs from the old object's value there. Items of lists correspond
by their map keys or not at all, unless the whole list is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.schema.custom.values import Finding
from podling.api.schema.types import Path

MISSING: Final = object()


def ratcheted(findings: Iterable[Finding], new: Any, old: Any) -> list[Cause]:
    """The causes that an update is refused for."""
    return [found.cause for found in findings if not _untouched(_keys(found.path), new, old)]


def _keys(path: Path) -> list[Any]:
    out: list[Any] = []
    while path:
        path, key, _ = path
        out.append(key)
    return out[::-1]


def _untouched(keys: list[Any], new: Any, old: Any) -> bool:
    for key in keys:
        if new.__class__ is not dict or old.__class__ is not dict:
            return bool(new == old)
        below = new.get(key, MISSING), old.get(key, MISSING)
        if below == (MISSING, MISSING):
            # A field that is required and has been missing before: what stands around it decides.
            return bool(new == old)
        new, old = below
    return bool(new == old)
