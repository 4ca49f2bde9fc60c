"""What a function of the language is: how it is declared to the type checker, what it does, what it costs.

The checker reads the overloads, evaluation calls `run` for any of them: what arrives may be of any type where types are
only known at run time, so `run` looks for itself and raises CelEvaluationError for what it has no overload for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError

Json = dict[str, Any]
Cost = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Function:
    """`name` as in the checked expression; of a method the first argument is the target.

    An overload reads `list<T>.(T) -> int` for a method, `(string) -> int` for a function; a single capital letter is
    any type. Functions that the library declares itself have none. `cost` takes the same arguments as `run` and gives
    units; without it a call costs one.
    """

    name: str
    run: Callable[..., Any]
    overloads: tuple[str, ...] = ()
    cost: Cost | None = None


def declared(functions: tuple[Function, ...]) -> list[Json]:
    """The declarations in the shape of the library's environment files."""
    out: dict[str, list[Json]] = {}
    for function in functions:
        if function.overloads:
            out.setdefault(function.name, []).extend(_overload(function.name, text) for text in function.overloads)
    return [{"name": name, "overloads": overloads} for name, overloads in out.items()]


def _overload(name: str, text: str) -> Json:
    head, _, result = text.partition(" -> ")
    target, _, args = head.removesuffix(")").partition("(")
    out: Json = {"id": f"{name} {text}", "args": [type_said(each) for each in split(args)], "return": type_said(result)}
    if target:
        out["target"] = type_said(target.removesuffix("."))
    return out


def type_said(text: str) -> Json:
    """`map<string, T>` as the library's environment files have it."""
    name, _, params = text.strip().partition("<")
    if len(name) == 1 and name.isupper():
        return {"type_name": name, "is_type_param": True}
    if not params:
        return {"type_name": name}
    return {"type_name": name, "params": [type_said(each) for each in split(params.removesuffix(">"))]}


def split(text: str) -> list[str]:
    """At the commas outside of brackets."""
    out, depth, current = [], 0, ""
    for char in text:
        depth += (char == "<") - (char == ">")
        if char == "," and not depth:
            out.append(current)
            current = ""
        else:
            current += char
    return [each.strip() for each in [*out, current] if each.strip()]


TRAVERSAL: Final = 0.1
"""Units for each character or element that is passed over."""
PATTERN: Final = 0.25


def traversal(length: float) -> int:
    return ceil(length * TRAVERSAL)


def length(value: Any) -> int:
    """Characters, bytes or elements; one for what has none."""
    try:
        return len(value)
    except TypeError:
        return 1


def walked(value: Any, *_: Any) -> int:
    """The cost of passing over the first argument once."""
    return max(traversal(length(value)), 1)


def wrong(*_: Any) -> CelEvaluationError:
    return CelEvaluationError("no such overload")


def text_of(value: Any) -> str:
    """Raises CelEvaluationError where it is no string."""
    if value.__class__ is not str:
        raise wrong()
    return str(value)


def list_of(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise wrong()
    return list(value)


def int_of(value: Any) -> int:
    if value.__class__ is not int:
        raise wrong()
    return int(value)
