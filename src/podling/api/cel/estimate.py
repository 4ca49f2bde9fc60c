"""What an expression costs at worst, from the bounds of the types around it (KEP-2876, "Resource constraints").

The estimate walks the checked expression with sizes instead of values: how many elements, characters or bytes a value
may have at most. Loops cost their body times the length of their range. Whatever has no known bound is as long as a
request may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from podling.api.cel.checkedexpr import (
    Call,
    Checked,
    Comprehension,
    Const,
    Ident,
    ListNode,
    MapNode,
    Node,
    Select,
)
from podling.api.cel.function import PATTERN, traversal
from podling.api.cel.types import CelType

UNBOUNDED: Final = 3 * 1024 * 1024 - 2
MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Size:
    """What is known of a value: its size, its type, and the size of its elements where it was put together here."""

    size: int = 1
    type: CelType | None = None
    element: Size | None = None


@dataclass(frozen=True, slots=True)
class Estimated:
    cost: int
    value: Size = field(default_factory=Size)


class Estimator:
    """`types`: of the variables, with their bounds."""

    def __init__(self, checked: Checked, types: Mapping[str, CelType]) -> None:
        self._checked = checked
        self._scope = {name: sized(type_) for name, type_ in types.items()}

    def most(self) -> int:
        """Units, at worst."""
        return min(self._of(self._checked.root).cost, MOST)

    def _of(self, node: Node) -> Estimated:
        match node:
            case Const():
                return Estimated(0, _constant(node.value))
            case Ident():
                known = self._scope.get(node.name)
                return Estimated(1, known or self._unknown(node))
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case Comprehension():
                return self._loop(node)

    def _unknown(self, node: Node) -> Size:
        """By the checked type alone."""
        return sized(self._checked.types.get(node.id))

    def _select(self, node: Select) -> Estimated:
        operand = self._of(node.operand)
        if node.test:
            return Estimated(operand.cost)
        return Estimated(operand.cost + 1, self._member(operand.value, node.field) or self._unknown(node))

    def _member(self, value: Size, name: str) -> Size | None:
        type_ = value.type
        if type_ is None:
            return value.element
        if type_.name == "optional_type" and type_.params:
            type_ = type_.params[0]
        if type_.fields:
            found = type_.fields.get(name)
            return sized(found) if found is not None else None
        return sized(type_.params[-1]) if type_.name in ("map", "list") and type_.params else value.element

    def _list(self, node: ListNode) -> Estimated:
        parts = [self._of(each) for each in node.elements]
        widest = max((part.value for part in parts), key=lambda each: each.size, default=None)
        return Estimated(sum(part.cost for part in parts) + 10, Size(len(parts), None, widest))

    def _map(self, node: MapNode) -> Estimated:
        parts = [self._of(each.value) for each in node.entries]
        keys = [self._of(each.key) for each in node.entries if not isinstance(each.key, str)]
        widest = max((part.value for part in parts), key=lambda each: each.size, default=None)
        cost = sum(part.cost for part in (*parts, *keys)) + (40 if node.message else 30)
        return Estimated(cost, Size(len(parts), None, widest))

    def _call(self, node: Call) -> Estimated:
        arguments = (*((node.target,) if node.target is not None else ()), *node.args)
        parts = [self._of(each) for each in arguments]
        if node.function == "_?_:_":
            branch = max(parts[1:], key=lambda part: part.cost)
            widest = max((part.value for part in parts[1:]), key=lambda each: each.size)
            return Estimated(parts[0].cost + branch.cost, widest)
        cost = sum(part.cost for part in parts)
        sizes = [part.value.size for part in parts]
        price = _PRICES.get(node.function)
        own = price(sizes) if price is not None else (0 if node.function in _FREE else 1)
        return Estimated(cost + own, self._result(node, parts))

    def _result(self, node: Call, parts: list[Estimated]) -> Size:
        values = [part.value for part in parts]
        name = node.function
        if name in ("_[_]", "_[?_]", "_?._") and values:
            field = node.args[1].value if name == "_?._" and isinstance(node.args[1], Const) else ""
            return self._member(values[0], str(field)) or self._unknown(node)
        if name in _SAME and values:
            return values[0]
        if name == "_+_":
            return Size(values[0].size + values[1].size, values[0].type, values[0].element or values[1].element)
        if name == "orValue":
            return max(values, key=lambda each: each.size)
        if name in _PIECES and values:
            return Size(values[0].size, None, Size(values[0].size))
        known = _LENGTHS.get(name)
        if known is not None:
            return Size(known([each.size for each in values]))
        return self._unknown(node)

    def _loop(self, node: Comprehension) -> Estimated:
        among, init = self._of(node.range), self._of(node.init)
        never = isinstance(node.condition, Const) and node.condition.value is False
        turns = 0 if never else among.value.size
        element = self._member(among.value, "") or among.value.element or Size()
        key = Size(UNBOUNDED) if among.value.type is not None and among.value.type.name == "map" else Size()
        inner = dict(self._scope)
        single = key if among.value.type is not None and among.value.type.name == "map" else element
        inner[node.variable] = key if node.second else single
        inner[node.second], inner[node.accumulator] = element, init.value
        outer, self._scope = self._scope, inner
        condition, step = self._of(node.condition), self._of(node.step)
        grows = isinstance(node.init, ListNode | MapNode)
        built = Size(turns, None, _added(step.value)) if grows else init.value
        self._scope = {**outer, node.accumulator: built}
        result = self._of(node.result)
        self._scope = outer
        cost = among.cost + init.cost + turns * (condition.cost + step.cost) + result.cost
        return Estimated(min(cost, MOST), built if grows else result.value)


def sized(type_: CelType | None) -> Size:
    if type_ is None:
        return Size(UNBOUNDED)
    if type_.name in ("optional_type",) and type_.params:
        return Size(sized(type_.params[0]).size, type_)
    if type_.name in ("string", "bytes", "list", "map", "dyn"):
        return Size(type_.limit if type_.limit is not None else UNBOUNDED, type_ if type_.params else None)
    return Size(1, type_ if type_.fields is not None else None)


def _constant(value: Any) -> Size:
    return Size(len(value)) if isinstance(value, str | bytes) else Size()


def _added(value: Size) -> Size | None:
    """What a turn adds to a growing list is a list of one."""
    return value.element


def _shorter(sizes: list[int]) -> int:
    return max(traversal(min(sizes)), 1)


def _longer(sizes: list[int]) -> int:
    return max(traversal(sum(sizes)), 1)


def _walked(sizes: list[int]) -> int:
    return max(traversal(sizes[0]), 1)


def _searched(sizes: list[int]) -> int:
    return max(traversal(1 + sizes[0]), 1) * max(ceil(sizes[1] * PATTERN), 1)


def _contained(sizes: list[int]) -> int:
    return max(traversal(sizes[0]), 1) * max(traversal(sizes[1]), 1)


def _paired(sizes: list[int]) -> int:
    return max(sizes[0] * sizes[1], 1)


_WALKED: Final = (
    *("indexOf", "lastIndexOf", "lowerAscii", "upperAscii", "split", "substring", "trim", "join", "replace", "format"),
    *("isSorted", "sum", "min", "max", "string", "bytes", "strings.quote", "url", "isURL", "ip", "isIP"),
    *("cidr", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"),
)
Price = Callable[[list[int]], int]
_PRICES: Final[Mapping[str, Price]] = {
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _shorter),
    "_+_": _longer,
    "@in": lambda sizes: max(sizes[1], 1),
    "matches": _searched,
    "find": _searched,
    "findAll": _searched,
    "contains": _contained,
    "startsWith": lambda sizes: max(traversal(sizes[1]), 1),
    "endsWith": lambda sizes: max(traversal(sizes[1]), 1),
    **dict.fromkeys(_WALKED, _walked),
    "sets.contains": _paired,
    "sets.intersects": _paired,
    "sets.equivalent": lambda sizes: 2 * _paired(sizes),
    "check": lambda sizes: 350_000,
}
_FREE: Final = frozenset({"_&&_", "_||_", "@not_strictly_false", "optional.none"})
_SAME: Final = frozenset(
    {"dyn", "value", "or", "optional.of", "lowerAscii", "upperAscii", "trim", "substring", "charAt"}
)
_PIECES: Final = frozenset({"split", "findAll"})
_LENGTHS: Final[Mapping[str, Callable[[list[int]], int]]] = {
    "replace": lambda sizes: sizes[0] * max(sizes[2], 1),
    "find": lambda sizes: sizes[0],
    "join": lambda sizes: min(sizes[0] * UNBOUNDED, MOST),
    "string": lambda sizes: max(sizes[0], 32),
}
