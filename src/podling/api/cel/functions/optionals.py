"""Optionals: values that may not be there (cel-spec, optional types)."""

from __future__ import annotations

from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, wrong
from podling.api.cel.values import NONE, Optional


def _optional(value: Any) -> Optional:
    if isinstance(value, Optional):
        return value
    raise wrong()


def _value(value: Any) -> Any:
    if not _optional(value).present:
        raise CelEvaluationError("optional.none() dereference")
    return value.value


def _non_zero(value: Any) -> Optional:
    """Zero, empty and null are no value."""
    return Optional(True, value) if value or getattr(value, "nanos", 0) else NONE


FUNCTIONS: Final = (
    Function("optional.of", lambda value: Optional(True, value)),
    Function("optional.ofNonZeroValue", _non_zero),
    Function("optional.none", lambda: NONE),
    Function("hasValue", lambda value: _optional(value).present),
    Function("value", _value),
    Function("or", lambda one, other: one if _optional(one).present else _optional(other)),
    Function("orValue", lambda one, other: one.value if _optional(one).present else other),
)
