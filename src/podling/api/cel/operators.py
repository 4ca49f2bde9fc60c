"""The operators and conversions that every CEL has (cel-spec, "List of Standard Definitions")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, length, traversal, wrong
from podling.api.cel.timetext import read_moment, read_span, write_moment, write_span
from podling.api.cel.values import (
    INT_END,
    INT_MIN,
    NANO,
    NONE,
    UINT_END,
    Duration,
    Optional,
    Timestamp,
    TypeValue,
    Uint,
    Value,
    equal,
    is_number,
    moment,
    ordered,
    size,
    span,
    type_name,
    unsigned,
    whole,
)

MISSING: Final = object()


def add(one: Any, other: Any) -> Any:
    cls, its = one.__class__, other.__class__
    if cls is its:
        if cls is int:
            return whole(one + other)
        if cls is float or cls is str or cls is list or cls is bytes:
            return one + other
        if cls is Uint:
            return unsigned(int(one) + int(other))
        if cls is Duration:
            return span(one.nanos + other.nanos)
    if (cls is Timestamp and its is Duration) or (cls is Duration and its is Timestamp):
        return moment(one.nanos + other.nanos)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return [*one, *other]
    raise wrong()


def subtract(one: Any, other: Any) -> Any:
    cls, its = one.__class__, other.__class__
    if cls is its:
        if cls is int:
            return whole(one - other)
        if cls is float:
            return one - other
        if cls is Uint:
            return unsigned(int(one) - int(other))
        if cls is Duration or cls is Timestamp:
            return span(one.nanos - other.nanos)
    if cls is Timestamp and its is Duration:
        return moment(one.nanos - other.nanos)
    raise wrong()


def multiply(one: Any, other: Any) -> Any:
    cls = one.__class__
    if cls is other.__class__:
        if cls is int:
            return whole(one * other)
        if cls is float:
            return one * other
        if cls is Uint:
            return unsigned(int(one) * int(other))
    raise wrong()


def divide(one: Any, other: Any) -> Any:
    cls = one.__class__
    if cls is not other.__class__ or not is_number(one):
        raise wrong()
    if cls is float:
        return _divided(one, other)
    if not other:
        raise CelEvaluationError("division by zero")
    quotient = abs(one) // abs(other)
    return Uint(quotient) if cls is Uint else whole(quotient if (one < 0) == (other < 0) else -quotient)


def _divided(one: float, other: float) -> float:
    if other:
        return one / other
    if not one or math.isnan(one):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1.0, other)


def modulo(one: Any, other: Any) -> Any:
    cls = one.__class__
    if cls is not other.__class__ or cls not in (int, Uint):
        raise wrong()
    if not other:
        raise CelEvaluationError("modulus by zero")
    rest = abs(one) % abs(other)
    return cls(rest if one >= 0 else -rest)


def negate(value: Any) -> Any:
    cls = value.__class__
    if cls is int:
        return whole(-value)
    if cls is float:
        return -value
    if cls is Duration:
        return span(-value.nanos)
    raise wrong()


def negated(value: Any) -> bool:
    if value.__class__ is not bool:
        raise wrong()
    return not value


def contained(item: Any, among: Any) -> bool:
    if isinstance(among, Mapping):
        return _found(among, item) is not MISSING
    if isinstance(among, list | tuple):
        return any(equal(item, each) for each in among)
    raise wrong()


def _found(mapping: Mapping[Any, Any], key: Any) -> Any:
    """A map's value, MISSING without; a bool is no number there, a whole double is one."""
    if key.__class__ is bool:
        return next((value for each, value in mapping.items() if each is key), MISSING)
    try:
        return mapping[key]
    except KeyError:
        return MISSING
    except TypeError:
        raise wrong() from None


def at(value: Any, key: Any) -> Any:
    """`value[key]`."""
    if isinstance(value, Mapping):
        found = _found(value, key)
        if found is MISSING:
            raise CelEvaluationError(f"no such key: {shown(key)}")
        return found
    if isinstance(value, list | tuple):
        index = _index(key)
        if not 0 <= index < len(value):
            raise CelEvaluationError(f"index out of bounds: {index}")
        return value[index]
    if value.__class__ is Optional:
        return optional_at(value, key)
    raise wrong()


def optional_at(value: Any, key: Any) -> Optional:
    """`value[?key]`, and anything that follows an optional."""
    if value.__class__ is Optional:
        if not value.present:
            return NONE
        value = value.value
    if isinstance(value, list | tuple):
        index = _index(key)
        return Optional(True, value[index]) if 0 <= index < len(value) else NONE
    if isinstance(value, Mapping):
        found = _found(value, key)
        return NONE if found is MISSING else Optional(True, found)
    if value is None:
        return NONE
    raise wrong()


def _index(key: Any) -> int:
    if is_number(key) and key == int(key):
        return int(key)
    raise wrong()


def shown(value: Any) -> str:
    """A value inside of an error message."""
    if value.__class__ is bool:
        return "true" if value else "false"
    return f"{value}"


def to_int(value: Any) -> int:
    cls = value.__class__
    if cls is int:
        return int(value)
    if cls is Timestamp:
        return int(value.nanos // NANO)
    try:
        if cls is str or cls is Uint:
            number = int(value)
        elif cls is float:
            number = math.trunc(value)
        else:
            raise wrong()
    except (ValueError, OverflowError):
        raise _unparsed(value, "int") from None
    if not INT_MIN <= number < INT_END:
        raise CelEvaluationError("integer overflow")
    return number


def _unparsed(value: Any, wanted: str) -> CelEvaluationError:
    if value.__class__ is str:
        return CelEvaluationError(f"type conversion error from 'string' to '{wanted}'")
    return CelEvaluationError("integer overflow")


def to_uint(value: Any) -> Uint:
    cls = value.__class__
    try:
        if cls is str or cls is int or cls is Uint:
            number = int(value)
        elif cls is float:
            number = math.trunc(value)
        else:
            raise wrong()
    except (ValueError, OverflowError):
        raise _unparsed(value, "uint") from None
    if not 0 <= number < UINT_END:
        raise CelEvaluationError("unsigned integer overflow")
    return Uint(number)


def to_double(value: Any) -> float:
    if value.__class__ is str or is_number(value):
        try:
            return float(value)
        except ValueError:
            raise _unparsed(value, "double") from None
    raise wrong()


def to_string(value: Any) -> str:
    cls = value.__class__
    if cls is str:
        return str(value)
    if cls is bool:
        return "true" if value else "false"
    if cls is int or cls is Uint:
        return f"{int(value)}"
    if cls is float:
        return double_text(value)
    if cls is bytes:
        try:
            return str(value.decode("utf-8"))
        except UnicodeDecodeError:
            raise CelEvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    if cls is Timestamp:
        return write_moment(value)
    if cls is Duration:
        return write_span(value)
    if isinstance(value, Value) and hasattr(value, "text"):
        return str(value.text)
    raise wrong()


def double_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{int(value)}" if value.is_integer() and abs(value) < 1e21 else f"{value!r}"


def to_bytes(value: Any) -> bytes:
    if value.__class__ is bytes:
        return bytes(value)
    if value.__class__ is str:
        return str(value).encode()
    raise wrong()


_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
_FALSE: Final = ("0", "f", "F", "false", "FALSE", "False")


def to_bool(value: Any) -> bool:
    if value.__class__ is bool:
        return bool(value)
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _unparsed(value, "bool") if value.__class__ is str else wrong()


def to_timestamp(value: Any) -> Timestamp:
    cls = value.__class__
    if cls is Timestamp:
        return Timestamp(value.nanos)
    if cls is str:
        return read_moment(value)
    if cls is int:
        return moment(value * NANO)
    raise wrong()


def to_duration(value: Any) -> Duration:
    cls = value.__class__
    if cls is Duration:
        return Duration(value.nanos)
    if cls is str:
        return read_span(value)
    if cls is int:
        return span(value * NANO)
    raise wrong()


def _both(one: Any, other: Any) -> int:
    return max(traversal(length(one) + length(other)), 1)


def _shorter(one: Any, other: Any) -> int:
    return max(traversal(min(length(one), length(other))), 1)


def _sought(item: Any, among: Any) -> int:
    return max(len(among), 1) if isinstance(among, list | tuple) else 1


def _numbers(types: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"({one}, {other}) -> bool" for one in types for other in types)


COMPARED: Final = (
    *_numbers(("int", "uint", "double")),
    *(f"({name}, {name}) -> bool" for name in ("bool", "string", "bytes", "timestamp", "duration")),
)
TO_STRING: Final = tuple(
    f"({name}) -> string" for name in ("string", "bool", "int", "uint", "double", "bytes", "timestamp", "duration")
) + tuple(f"({name}) -> string" for name in ("net.IP", "net.CIDR"))

FUNCTIONS: Final = (
    Function("_+_", add, cost=_both),
    Function("_-_", subtract),
    Function("_*_", multiply),
    Function("_/_", divide),
    Function("_%_", modulo),
    Function("-_", negate),
    Function("!_", negated),
    Function("_==_", equal, cost=_shorter),
    Function("_!=_", lambda one, other: not equal(one, other), cost=_shorter),
    Function("_<_", ordered(lambda one, other: bool(one < other)), COMPARED, _shorter),
    Function("_<=_", ordered(lambda one, other: bool(one <= other)), COMPARED, _shorter),
    Function("_>_", ordered(lambda one, other: bool(one > other)), COMPARED, _shorter),
    Function("_>=_", ordered(lambda one, other: bool(one >= other)), COMPARED, _shorter),
    Function("@in", contained, cost=_sought),
    Function("_[_]", at),
    Function("_[?_]", optional_at),
    Function("size", size),
    Function("int", to_int),
    Function("uint", to_uint),
    Function("double", to_double),
    Function("string", to_string, TO_STRING, lambda value: max(traversal(length(value)), 1)),
    Function("bytes", to_bytes, cost=lambda value: max(traversal(length(value)), 1)),
    Function("bool", to_bool),
    Function("dyn", lambda value: value),
    Function("type", lambda value: TypeValue(type_name(value))),
    Function("timestamp", to_timestamp),
    Function("duration", to_duration),
)
