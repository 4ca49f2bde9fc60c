"""The steps of an evaluation that need no compiler: deciding, comparing, selecting, calling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from podling.api.cel.checkedexpr import Call, Comprehension, Const, Ident, Node, Select
from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, wrong
from podling.api.cel.operators import optional_at
from podling.api.cel.values import NONE, Optional, equal

Frame = list[Any]
Run = Callable[[Frame], Any]


class Unset:
    """A variable that has no value."""


UNSET: Final = Unset()
SHORT: Final = 10
"""Texts up to this many characters cost one unit to compare."""


class Part(NamedTuple):
    """A compiled node: how it runs, and the units that each run costs in any case."""

    run: Run
    cost: int


class Failed:
    """The running value of a loop that met an error and may still find what it looks for."""

    __slots__ = ("error",)

    def __init__(self, error: CelEvaluationError) -> None:
        self.error = error


def decided(left: Run, right: Run, f: Frame, *, absorbing: bool) -> bool:
    """`||` where `absorbing` is true, `&&` where it is false: that value decides, whatever the other side is."""
    failed: CelEvaluationError | None = None
    try:
        said = left(f)
        if said is absorbing:
            return bool(absorbing)
        if said.__class__ is not bool:
            failed = said.error if said.__class__ is Failed else wrong()
    except CelEvaluationError as error:
        failed = error
    other = right(f)
    if other is absorbing:
        return bool(absorbing)
    if failed is not None:
        raise failed
    if other.__class__ is not bool:
        raise wrong()
    return not absorbing


def equality(left: Run, right: Run) -> Run:
    def run(f: Frame) -> bool:
        one, other = left(f), right(f)
        if one.__class__ is str and other.__class__ is str:
            if len(one) > SHORT and len(other) > SHORT:
                f[0].charge(min(len(one), len(other)) // SHORT)
            return bool(one == other)
        if one.__class__ is list or one.__class__ is dict:
            f[0].charge(len(one) // SHORT)
        return equal(one, other)

    return run


def quick(do: Callable[..., Any], price: Callable[..., int], left: Run, right: Run) -> Run:
    """An operator that costs one unit where numbers are put to it; that one is counted already."""

    def run(f: Frame) -> Any:
        one, other = left(f), right(f)
        if one.__class__ is not int and (more := price(one, other) - 1):
            f[0].charge(more)
        return do(one, other)

    return run


def quantified(node: Comprehension) -> tuple[bool, Node | None]:
    """What decides a loop of the macros `all` (false) and `exists` (true), and what it asks of each element."""
    step = node.step
    if isinstance(step, Call) and len(step.args) == 2 and is_ident(step.args[0], node.accumulator):
        init = node.init.value if isinstance(node.init, Const) else None
        plain = is_ident(node.result, node.accumulator)
        if plain and (step.function, init) in (("_&&_", True), ("_||_", False)):
            return not init, step.args[1]
    return False, None


def called(function: Function, runs: list[Run], fixed: int) -> Part:
    do, cost = function.run, function.cost
    if cost is not None:
        price = cost

        def priced(f: Frame) -> Any:
            values = [run(f) for run in runs]
            f[0].charge(price(*values))
            return do(*values)

        return Part(priced, fixed)
    if len(runs) == 1:
        only = runs[0]
        return Part(lambda f: do(only(f)), fixed + 1)
    if len(runs) == 2:
        left, right = runs
        return Part(lambda f: do(left(f), right(f)), fixed + 1)
    return Part(lambda f: do(*[run(f) for run in runs]), fixed + 1)


def has(value: Any, field: str) -> bool:
    if isinstance(value, Mapping):
        return field in value
    if value.__class__ is Optional:
        return bool(value.present) and has(value.value, field)
    raise wrong()


def selected(value: Any, field: str) -> Any:
    """What a plain subscript did not find."""
    if isinstance(value, Mapping):
        raise CelEvaluationError(f"no such key: {field}")
    if value.__class__ is Optional:
        return optional_at(value, field) if value.present else NONE
    if value.__class__ is Failed:
        raise value.error
    raise wrong()


def items(value: Any, *, two: bool) -> Any:
    if isinstance(value, Mapping):
        return list(value.items()) if two else list(value)
    if isinstance(value, list | tuple):
        return enumerate(value) if two else value
    raise wrong()


def is_ident(node: Node, name: str) -> bool:
    return isinstance(node, Ident) and node.name == name


def qualified(node: Node) -> str:
    """`a.b` of idents and selects, empty for anything else."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test:
        inner = qualified(node.operand)
        return f"{inner}.{node.field}" if inner else ""
    return ""
