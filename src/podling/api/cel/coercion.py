"""JSON has fewer types than schemas: a text of format date-time is a moment to an expression.

The conversion happens where an expression takes the value out of its surroundings, led by the checked type.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.timetext import read_day, read_moment, read_span
from podling.api.cel.types import CelType
from podling.api.cel.values import Optional, Timestamp


def coercion(type_: CelType | None) -> Callable[[Any], Any] | None:
    """What makes a value of JSON one of this type; None where it is that already."""
    if type_ is None:
        return None
    if type_.name == "optional_type" and type_.params:
        inner = coercion(type_.params[0])
        return None if inner is None else _inside(inner)
    match type_.name:
        case "timestamp":
            return lambda value: _moment(value) if value.__class__ is str else value
        case "duration":
            return lambda value: read_span(value) if value.__class__ is str else value
        case "double":
            return lambda value: float(value) if value.__class__ is int else value
        case "bytes":
            return lambda value: _decoded(value) if value.__class__ is str else value
    return None


def _moment(text: str) -> Timestamp:
    """Of format date-time or date."""
    return read_day(text) if len(text) == len("2020-12-31") else read_moment(text)


def _inside(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        if value.__class__ is Optional and value.present:
            return Optional(True, convert(value.value))
        return value

    return run


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise CelEvaluationError("illegal base64 data") from None
