"""Kubernetes' library of lists, and sets (`sets.contains`): lists as if order and repetition did not matter."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, length, list_of, walked
from podling.api.cel.operators import add
from podling.api.cel.values import Duration, equal, ordered

_COMPARABLE: Final = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_SUMMABLE: Final = ("int", "uint", "double", "duration")
_less: Final = ordered(lambda one, other: bool(one < other))


def _is_sorted(values: Any) -> bool:
    given = list_of(values)
    return not any(_less(later, earlier) for earlier, later in pairwise(given))


def _sum(values: Any) -> Any:
    given = list_of(values)
    if not given:
        return 0
    total = given[0]
    for each in given[1:]:
        total = add(total, each)
    # One alone has not been added to anything yet, and need not be a number.
    return total if len(given) > 1 or isinstance(total, Duration) else add(total, total.__class__(0))


def _extreme(name: str, better: Callable[[Any, Any], bool]) -> Callable[[Any], Any]:
    def run(values: Any) -> Any:
        given = list_of(values)
        if not given:
            raise CelEvaluationError(f"{name} called on empty list")
        best = given[0]
        for each in given[1:]:
            if better(each, best):
                best = each
        return best

    return run


def _contains(values: Any, sought: Any) -> bool:
    given = list_of(values)
    return all(any(equal(each, one) for one in given) for each in list_of(sought))


def _intersects(values: Any, others: Any) -> bool:
    given = list_of(others)
    return any(any(equal(each, one) for one in given) for each in list_of(values))


def _equivalent(values: Any, others: Any) -> bool:
    return _contains(values, others) and _contains(others, values)


def _pairs(values: Any, others: Any) -> int:
    return max(length(values) * length(others), 1)


_SETS: Final = ("(list<T>, list<T>) -> bool",)
FUNCTIONS: Final = (
    Function("isSorted", _is_sorted, tuple(f"list<{each}>.() -> bool" for each in _COMPARABLE), walked),
    Function("sum", _sum, tuple(f"list<{each}>.() -> {each}" for each in _SUMMABLE), walked),
    Function(
        "min",
        _extreme("min", _less),
        tuple(f"list<{each}>.() -> {each}" for each in _COMPARABLE),
        walked,
    ),
    Function(
        "max",
        _extreme("max", lambda one, other: _less(other, one)),
        tuple(f"list<{each}>.() -> {each}" for each in _COMPARABLE),
        walked,
    ),
    Function("sets.contains", _contains, _SETS, _pairs),
    Function("sets.intersects", _intersects, _SETS, _pairs),
    Function("sets.equivalent", _equivalent, _SETS, lambda one, other: 2 * _pairs(one, other)),
)
