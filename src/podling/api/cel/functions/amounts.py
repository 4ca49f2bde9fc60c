"""Kubernetes' libraries of quantities (`quantity('1.5Gi')`) and of semantic versions (`semver('1.2.3')`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from podling.api import quantity as quantities
from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, text_of, walked, wrong
from podling.api.cel.values import INT_END, INT_MIN, Value

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Amount(Value):
    quantity: quantities.Quantity
    type_name = "kubernetes.Quantity"

    @property
    def key(self) -> Any:
        """What two of them are compared by."""
        return self.quantity


@dataclass(frozen=True, slots=True)
class Version(Value):
    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()
    type_name = "kubernetes.Semver"

    @property
    def key(self) -> Any:
        parts = tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in self.pre)
        return self.numbers, not self.pre, parts


def _quantity(value: Any) -> Amount:
    try:
        return Amount(quantities.parse(text_of(value)))
    except quantities.BadQuantity as error:
        raise CelEvaluationError(str(error)) from None


def _is_quantity(value: Any) -> bool:
    try:
        quantities.parse(text_of(value))
    except quantities.BadQuantity:
        return False
    return True


def _amount(value: Any) -> quantities.Quantity:
    if isinstance(value, Amount):
        return value.quantity
    if value.__class__ is int:
        return quantities.Quantity(value * quantities.NANO)
    raise wrong()


def _integer(value: Any) -> int | None:
    whole, rest = divmod(_amount(value).nano, quantities.NANO)
    return None if rest or not INT_MIN <= whole < INT_END else whole


def _as_integer(value: Any) -> int:
    found = _integer(value)
    if found is None:
        raise CelEvaluationError("cannot convert value to integer")
    return found


def _sign(value: Any) -> int:
    nano = _amount(value).nano
    return (nano > 0) - (nano < 0)


def read_version(text: str) -> Version | None:
    match = _SEMVER.fullmatch(text)
    if match is None:
        return None
    pre = tuple((match[4] or "").split(".")) if match[4] else ()
    if any(each.isdigit() and len(each) > 1 and each.startswith("0") for each in pre):
        return None
    return Version((int(match[1]), int(match[2]), int(match[3])), pre)


def _normal(text: str) -> str:
    """Without a leading v, with all three numbers, without leading zeros."""
    core, sign, rest = re.fullmatch(r"v?([^-+]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [each.lstrip("0") or "0" if each else each for each in core.split(".")]
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + sign + rest


def _semver(value: Any, normalize: Any = False) -> Version:
    found = read_version(_normal(text_of(value)) if normalize else text_of(value))
    if found is None:
        raise CelEvaluationError(f'No Major.Minor.Patch elements found in "{value}"')
    return found


def _is_semver(value: Any, normalize: Any = False) -> bool:
    return read_version(_normal(text_of(value)) if normalize else text_of(value)) is not None


def _number(index: int) -> Callable[[Any], int]:
    def run(value: Any) -> int:
        if isinstance(value, Version):
            return value.numbers[index]
        raise wrong()

    return run


def _compared(test: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(one: Any, other: Any) -> Any:
        if isinstance(one, Amount | Version) and one.__class__ is other.__class__:
            return test(one.key, other.key)
        raise wrong()

    return run


def _both(result: str) -> tuple[str, ...]:
    return tuple(f"{name}.({name}) -> {result}" for name in ("kubernetes.Quantity", "kubernetes.Semver"))


_SUM: Final = (
    "kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity",
    "kubernetes.Quantity.(int) -> kubernetes.Quantity",
)
FUNCTIONS: Final = (
    Function("quantity", _quantity, ("(string) -> kubernetes.Quantity",), walked),
    Function("isQuantity", _is_quantity, ("(string) -> bool",), walked),
    Function("sign", _sign, ("kubernetes.Quantity.() -> int",)),
    Function("isInteger", lambda value: _integer(value) is not None, ("kubernetes.Quantity.() -> bool",)),
    Function("asInteger", _as_integer, ("kubernetes.Quantity.() -> int",)),
    Function("asApproximateFloat", lambda value: float(_amount(value)), ("kubernetes.Quantity.() -> double",)),
    Function("add", lambda one, other: Amount(_amount(one) + _amount(other)), _SUM),
    Function("sub", lambda one, other: Amount(_amount(one) - _amount(other)), _SUM),
    Function("isLessThan", _compared(lambda one, other: bool(one < other)), _both("bool")),
    Function("isGreaterThan", _compared(lambda one, other: bool(one > other)), _both("bool")),
    Function("compareTo", _compared(lambda one, other: (one > other) - (one < other)), _both("int")),
    Function("semver", _semver, ("(string) -> kubernetes.Semver", "(string, bool) -> kubernetes.Semver"), walked),
    Function("isSemver", _is_semver, ("(string) -> bool", "(string, bool) -> bool"), walked),
    Function("major", _number(0), ("kubernetes.Semver.() -> int",)),
    Function("minor", _number(1), ("kubernetes.Semver.() -> int",)),
    Function("patch", _number(2), ("kubernetes.Semver.() -> int",)),
)
