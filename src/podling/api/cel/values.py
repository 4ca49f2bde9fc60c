"""Values of CEL as Python has them, and what it means that two are equal or one is less.

JSON's values are themselves: None, bool, int, float, str, list, dict. Unsigned numbers, moments, spans, optionals and
types are classes here, because Python has none that mean the same (a bool is no int, a moment has nanoseconds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError

INT_MIN: Final = -(2**63)
INT_END: Final = 2**63
UINT_END: Final = 2**64
NANO: Final = 10**9
MOMENT_MIN: Final = -62135596800 * NANO
MOMENT_END: Final = 253402300800 * NANO


class Uint(int):
    """An unsigned number: `1u`."""

    __slots__ = ()


class Value:
    """What all values with methods have in common: `type_name` is shown in errors and by `type()`."""

    __slots__ = ()
    type_name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Timestamp(Value):
    nanos: int
    """Since the epoch, UTC."""


@dataclass(frozen=True, slots=True, order=True)
class Duration(Value):
    nanos: int


@dataclass(frozen=True, slots=True)
class Optional(Value):
    """`optional.of(value)`, or `optional.none()`."""

    present: bool
    value: Any = None


@dataclass(frozen=True, slots=True)
class TypeValue(Value):
    name: str


Timestamp.type_name, Duration.type_name = "google.protobuf.Timestamp", "google.protobuf.Duration"
Optional.type_name, TypeValue.type_name = "optional_type", "type"
NONE: Final = Optional(False)

_NAMES: Final[Mapping[type, str]] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    tuple: "list",
    dict: "map",
}


def type_name(value: Any) -> str:
    """As `type(value)` says it."""
    name = _NAMES.get(value.__class__)
    if name is None:
        name = "map" if isinstance(value, Mapping) else str(getattr(value, "type_name", value.__class__.__name__))
    return name


def is_number(value: Any) -> bool:
    cls = value.__class__
    return cls is int or cls is float or cls is Uint


def equal(one: Any, other: Any) -> bool:
    """CEL's equality: numbers of all types by their amount, lists and maps by their parts, other types never."""
    cls = one.__class__
    if cls is str:
        return bool(one == other)
    if cls is int or cls is float or cls is Uint:
        return is_number(other) and bool(one == other)
    if cls is list or cls is tuple:
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and len(one) == len(other)
            and all(key in other and equal(item, other[key]) for key, item in one.items())
        )
    if cls is Optional:
        if other.__class__ is not Optional or one.present != other.present:
            return False
        return not one.present or equal(one.value, other.value)
    return cls is other.__class__ and bool(one == other)


_ORDERED: Final = (str, bool, bytes, Timestamp, Duration)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """`compare` for two values that have an order, else an error."""

    def run(one: Any, other: Any) -> bool:
        if is_number(one):
            if is_number(other):
                return compare(one, other)
        elif one.__class__ is other.__class__ and (one.__class__ in _ORDERED or hasattr(one, "ordered")):
            return compare(one, other)
        raise CelEvaluationError("no such overload")

    return run


def whole(value: int) -> int:
    """Raises CelEvaluationError beyond 64 bits."""
    if INT_MIN <= value < INT_END:
        return value
    raise CelEvaluationError("integer overflow")


def unsigned(value: int) -> Uint:
    if 0 <= value < UINT_END:
        return Uint(value)
    raise CelEvaluationError("unsigned integer overflow")


def moment(nanos: int) -> Timestamp:
    if MOMENT_MIN <= nanos < MOMENT_END:
        return Timestamp(nanos)
    raise CelEvaluationError("timestamp overflow")


def span(nanos: int) -> Duration:
    if INT_MIN <= nanos < INT_END:
        return Duration(nanos)
    raise CelEvaluationError("duration overflow")


def size(value: Any) -> int:
    cls = value.__class__
    if cls is str or cls is list or cls is dict or cls is bytes or cls is tuple or isinstance(value, Mapping):
        return len(value)
    raise CelEvaluationError("no such overload")
