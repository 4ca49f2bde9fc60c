"""Texts: the standard's methods, the strings extension, and Kubernetes' `find` and `findAll`."""

from __future__ import annotations

import json
from typing import Any, Final

from podling.api.cel import patterns
from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import PATTERN, Function, int_of, length, list_of, text_of, traversal, walked
from podling.api.cel.functions.formatting import formatted
from podling.api.cel.values import equal


def _char_at(text: Any, index: Any) -> str:
    at = int_of(index)
    if at == len(text_of(text)):
        return ""
    return text_of(text)[_within(text, at)]


def _within(text: str, index: int) -> int:
    if not 0 <= index <= len(text):
        raise CelEvaluationError(f"index out of range: {index}")
    return index


def _index_of(value: Any, sought: Any, start: Any = 0) -> int:
    if isinstance(value, list | tuple):
        return next((index for index, each in enumerate(value) if equal(each, sought)), -1)
    return text_of(value).find(text_of(sought), _within(value, int_of(start)))


def _last_index_of(value: Any, sought: Any, start: Any = None) -> int:
    if isinstance(value, list | tuple):
        return next((index for index in range(len(value) - 1, -1, -1) if equal(value[index], sought)), -1)
    text, wanted = text_of(value), text_of(sought)
    return text.rfind(wanted) if start is None else text.rfind(wanted, 0, _within(text, int_of(start)) + len(wanted))


def _join(parts: Any, separator: Any = "") -> str:
    return text_of(separator).join(text_of(each) for each in list_of(parts))


def _replace(text: Any, old: Any, new: Any, count: Any = -1) -> str:
    return text_of(text).replace(text_of(old), text_of(new), int_of(count))


def _split(text: Any, separator: Any, limit: Any = -1) -> list[str]:
    count = int_of(limit)
    if count == 0:
        return []
    pieces = list(text_of(text)) if separator == "" else text_of(text).split(text_of(separator))
    if 0 < count < len(pieces):
        rest = text_of(separator).join(pieces[count - 1 :])
        return [*pieces[: count - 1], rest]
    return pieces


def _substring(text: Any, start: Any, end: Any = None) -> str:
    first = _within(text_of(text), int_of(start))
    last = len(text) if end is None else _within(text, int_of(end))
    if first > last:
        raise CelEvaluationError(f"invalid substring range. start: {first}, end: {last}")
    return text_of(text)[first:last]


def _lower(text: Any) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text_of(text))


def _upper(text: Any) -> str:
    return "".join(char.upper() if char.isascii() else char for char in text_of(text))


def _matched(text: Any, pattern: Any) -> bool:
    return patterns.matches(text_of(text), text_of(pattern))


def _searched(text: Any, pattern: Any, *_: Any) -> int:
    """Matching walks over the text as often as the pattern is long, at worst."""
    return max(traversal(1 + length(text)), 1) * max(int(length(pattern) * PATTERN + 0.999), 1)


def _contains_cost(text: Any, part: Any) -> int:
    return max(traversal(length(text)), 1) * max(traversal(length(part)), 1)


def _affix(text: Any, part: Any) -> int:
    return max(traversal(length(part)), 1)


def _joined_cost(parts: Any, separator: Any = "") -> int:
    if not isinstance(parts, list | tuple):
        return 1
    return max(traversal(sum(length(each) for each in parts) + len(parts) * length(separator)), 1)


def _replaced_cost(text: Any, old: Any, new: Any, *_: Any) -> int:
    """What comes out may be longer than what went in by far."""
    if text.__class__ is not str or old.__class__ is not str:
        return 1
    times = text.count(old) if old else len(text) + 1
    return max(traversal(2 * len(text) + times * length(new)), 1)


def _find(text: Any, pattern: Any) -> str:
    return patterns.find(text_of(text), text_of(pattern))


def _find_all(text: Any, pattern: Any, limit: Any = -1) -> list[str]:
    found, count = patterns.find_all(text_of(text), text_of(pattern)), int_of(limit)
    return found if count < 0 else found[:count]


def _contains(text: Any, part: Any) -> bool:
    return text_of(part) in text_of(text)


def _quoted(text: Any) -> str:
    return json.dumps(text_of(text), ensure_ascii=False)


FUNCTIONS: Final = (
    Function("contains", _contains, cost=_contains_cost),
    Function("startsWith", lambda text, part: text_of(text).startswith(text_of(part)), cost=_affix),
    Function("endsWith", lambda text, part: text_of(text).endswith(text_of(part)), cost=_affix),
    Function("matches", _matched, cost=_searched),
    Function("charAt", _char_at, ("string.(int) -> string",)),
    Function(
        "indexOf",
        _index_of,
        ("string.(string) -> int", "string.(string, int) -> int", "list<T>.(T) -> int"),
        walked,
    ),
    Function(
        "lastIndexOf",
        _last_index_of,
        ("string.(string) -> int", "string.(string, int) -> int", "list<T>.(T) -> int"),
        walked,
    ),
    Function("join", _join, ("list<string>.() -> string", "list<string>.(string) -> string"), _joined_cost),
    Function("lowerAscii", _lower, ("string.() -> string",), walked),
    Function("upperAscii", _upper, ("string.() -> string",), walked),
    Function(
        "replace",
        _replace,
        ("string.(string, string) -> string", "string.(string, string, int) -> string"),
        _replaced_cost,
    ),
    Function("split", _split, ("string.(string) -> list<string>", "string.(string, int) -> list<string>"), walked),
    Function("substring", _substring, ("string.(int) -> string", "string.(int, int) -> string"), walked),
    Function("trim", lambda text: text_of(text).strip(), ("string.() -> string",), walked),
    Function("format", formatted, ("string.(list<dyn>) -> string",), lambda text, values: walked(text)),
    Function("strings.quote", _quoted, ("(string) -> string",), walked),
    Function(
        "find",
        _find,
        ("string.(string) -> string",),
        _searched,
    ),
    Function(
        "findAll",
        _find_all,
        ("string.(string) -> list<string>", "string.(string, int) -> list<string>"),
        _searched,
    ),
)
