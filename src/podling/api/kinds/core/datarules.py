"""What ConfigMaps and Secrets have in common: keys that are file names, a mebibyte, and immutability."""

from __future__ import annotations

import re
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]

LIMIT: Final = 1024 * 1024
_IMMUTABLE: Final = "field is immutable when `immutable` is set"


# File names that are neither hidden nor too long, a line each: what keys usually are, checked in one go.
_USUAL_KEYS: Final = re.compile(r"(?:[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}\n)*[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}")


def keys(field: str, data: Json | None) -> list[Cause]:
    if not data:
        return []
    lines = "\n".join(data)
    if lines.count("\n") < len(data) and _USUAL_KEYS.fullmatch(lines):
        return []
    return [
        cause
        for key in data
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
