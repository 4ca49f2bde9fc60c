"""Findings of validation in upstream's words: `Required value`, `Invalid value: "x": …`, `Unsupported value: …`.

One function for each kind of finding; each takes the path of the field and gives a `Cause`. The texts are what kubectl
users know, so they are exactly those of the API conventions' field errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from podling.api.errors import Cause

IMMUTABLE = "field is immutable"


def shown(value: Any) -> str:
    """A value as messages show it: strings quoted, numbers and booleans bare, everything else as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", _text("Required value", detail), path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", _text(f"Invalid value: {shown(value)}", detail), path)


def omitted(path: str, detail: str) -> Cause:
    """An invalid value that is not shown: too large, or nobody's business."""
    return Cause("FieldValueInvalid", _text("Invalid value", detail), path)


def unsupported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    listed = ", ".join(f'"{option}"' for option in supported)
    return Cause(
        "FieldValueNotSupported",
        _text(f"Unsupported value: {shown(value)}", f"supported values: {listed}" if listed else ""),
        path,
    )


def duplicate(path: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", _text("Forbidden", detail), path)


def not_found(path: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {shown(value)}", path)


def too_long(path: str, limit: int) -> Cause:
    """`limit` in bytes."""
    return Cause(
        "FieldValueTooLong", f"Too long: may not be more than {limit} {'byte' if limit == 1 else 'bytes'}", path
    )


def too_many(path: str, actual: int, limit: int) -> Cause:
    return Cause(
        "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} {'item' if limit == 1 else 'items'}", path
    )


def immutable(path: str, new: Any, old: Any) -> list[Cause]:
    """A finding when the value differs; absent and empty are the same."""
    return [] if (new or None) == (old or None) else [invalid(path, new, IMMUTABLE)]


def _text(kind: str, detail: str) -> str:
    return f"{kind}: {detail}" if detail else kind
