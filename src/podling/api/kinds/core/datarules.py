"""What ConfigMaps and Secrets have in common: keys that are file names, a mebibyte, and immutability."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]

LIMIT: Final = 1024 * 1024
_IMMUTABLE: Final = "field is immutable when `immutable` is set"


def keys(field: str, data: Json | None) -> list[Cause]:
    return [
        cause
        for key in data or ()
        if (wrong := names.config_key(key))
        for cause in rules.all_invalid(f"{field}[{key}]", key, wrong)
    ]


def size_of_base64(text: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(text) // 4 * 3 - text[-2:].count("=")


def immutable(new: Json, old: Json, *fields: str) -> list[Cause]:
    """Once `immutable` is set it stays, and so does the data."""
    if not old.get("immutable"):
        return []
    found = [] if new.get("immutable") else [causes.forbidden("immutable", _IMMUTABLE)]
    changed = [name for name in fields if (new.get(name) or {}) != (old.get(name) or {})]
    return found + [causes.forbidden(name, _IMMUTABLE) for name in changed]
