"""The simple JSONPaths of CRDs: printer columns, selectable fields, the paths of scale.

`.spec.replicas`, `.metadata.annotations['a.b']`, `.status.conditions[?(@.type=="Ready")].status`, `[0]`, `[*]`: what
the documentation of additionalPrinterColumns allows. A path is compiled once and then run over many objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

Step = Callable[[Any], Iterable[Any]]
JsonPath = Callable[[Any], list[Any]]
"""An object to all values the path finds, in order."""

_TOKEN: Final = re.compile(
    r"\.(?P<name>(?:\\.|[^.\[\]\\])+)"
    r"|\.?\[(?:'(?P<quoted>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<index>-?\d+)|(?P<all>\*)|\?\((?P<filter>.*?)\))\]"
)
_FILTER: Final = re.compile(r"\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*)?")


class BadPath(ValueError):
    """The text is no JSONPath of the simple kind."""


def compile_path(text: str) -> JsonPath:
    """Raises BadPath."""
    steps = list(_steps(text))

    def find(obj: Any) -> list[Any]:
        found = [obj]
        for step in steps:
            found = [value for each in found for value in step(each)]
        return found

    return find


def keys_of(text: str) -> tuple[str | int, ...]:
    """The names of a path that has nothing but names and indexes: `.spec.foo['a.b']`. Raises BadPath."""
    out: list[str | int] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadPath(f"invalid json path {text!r}")
        groups = match.groupdict()
        name = groups["quoted"] or groups["double"] or groups["name"]
        if groups["index"] is not None:
            out.append(int(groups["index"]))
        elif not name or name == "*":
            raise BadPath(f"invalid json path {text!r}")
        else:
            out.append(re.sub(r"\\(.)", r"\1", name))
        at = match.end()
    return tuple(out)


def _steps(text: str) -> Iterator[Step]:
    inner = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if inner and inner[0] not in ".[":
        raise BadPath(f"unrecognized character in action: {inner[0]!r}")
    at = 0
    while at < len(inner) and inner[at:] != ".":
        match = _TOKEN.match(inner, at)
        if match is None:
            raise BadPath(f"invalid json path {text!r}")
        yield _step(match)
        at = match.end()


def _step(match: re.Match[str]) -> Step:
    groups = match.groupdict()
    for key in ("quoted", "double"):
        if groups[key] is not None:
            return _named(groups[key])
    if groups["index"] is not None:
        return _indexed(int(groups["index"]))
    if groups["all"] or groups["name"] == "*":
        return _every
    if groups["filter"] is not None:
        return _filtered(groups["filter"])
    return _named(re.sub(r"\\(.)", r"\1", groups["name"]))


def _named(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _indexed(index: int) -> Step:
    return lambda value: value[index:][:1] if isinstance(value, list) and -len(value) <= index < len(value) else ()


def _every(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _filtered(text: str) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise BadPath(f"invalid filter {text!r}")
    path = compile_path(match["path"])
    if match["op"] is None:
        return lambda value: [item for item in _items(value) if path(item)]
    wanted, compare = _literal(match["value"]), _COMPARE[match["op"]]
    return lambda value: [item for item in _items(value) if any(compare(one, wanted) for one in path(item))]


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _literal(text: str) -> Any:
    try:
        return json.loads(f'"{text[1:-1]}"' if text[:1] == "'" else text)
    except ValueError:
        raise BadPath(f"invalid literal {text!r}") from None


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def safe(one: Any, other: Any) -> bool:
        return isinstance(one, int | float) and isinstance(other, int | float) and compare(one, other)

    return safe


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    "<": _ordered(lambda one, other: bool(one < other)),
    ">": _ordered(lambda one, other: bool(one > other)),
    "<=": _ordered(lambda one, other: bool(one <= other)),
    ">=": _ordered(lambda one, other: bool(one >= other)),
}
