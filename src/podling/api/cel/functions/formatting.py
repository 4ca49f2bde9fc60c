"""`'%s has %d'.format([name, count])`: the strings extension's format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import list_of, text_of
from podling.api.cel.operators import double_text, to_string
from podling.api.cel.values import TypeValue, Uint, is_number, type_name

_CLAUSE: Final = re.compile(r"%(?:%|(?:\.(\d+))?([a-zA-Z]))")


def formatted(text: Any, values: Any) -> str:
    """Raises CelEvaluationError for a clause without its value or of another type."""
    given, used = list_of(values), 0

    def put(match: re.Match[str]) -> str:
        nonlocal used
        if match[0] == "%%":
            return "%"
        if used >= len(given):
            raise CelEvaluationError(f"index {used} out of range")
        used += 1
        return _clause(match[2], match[1], given[used - 1])

    out = _CLAUSE.sub(put, text_of(text))
    if used < len(given):
        raise CelEvaluationError(f"too many arguments supplied to string.format (expected {used}, got {len(given)})")
    return out


def _clause(verb: str, precision: str | None, value: Any) -> str:
    places = 6 if precision is None else int(precision)
    if verb == "s":
        return shown(value)
    if verb in "xX" and value.__class__ in (str, bytes):
        digits = (value.encode() if isinstance(value, str) else bytes(value)).hex()
        return digits.upper() if verb == "X" else digits
    if verb == "b" and value.__class__ is bool:
        return f"{int(value)}"
    whole = value.__class__ in (int, Uint)
    if verb in "dboxX" and whole:
        return format(int(value), verb)
    if (verb in "fe" and (is_number(value))) or (verb == "d" and value.__class__ is float):
        return double_text(float(value)) if verb == "d" else _decimal(float(value), verb, places)
    if verb not in "sdfebxXo":
        raise CelEvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')
    raise CelEvaluationError(f"error during formatting: %{verb} cannot be applied to {type_name(value)}")


def _decimal(value: float, verb: str, places: int) -> str:
    return format(value, f".{min(places, 100)}{verb}")


def shown(value: Any) -> str:
    """As %s shows it."""
    if value is None:
        return "null"
    if isinstance(value, TypeValue):
        return value.name
    if isinstance(value, Mapping):
        pairs = sorted((shown(key), shown(each)) for key, each in value.items())
        return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    return to_string(value)
