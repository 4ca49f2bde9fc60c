"""JSON as Go reads it: the sentences of its syntax errors, and keys that stand twice.

Clients show these sentences to people, so a body that is no JSON is complained about in Go's words. Finding duplicate
keys costs two counts of colons: parsing keeps one of two equal keys, so what is written again has fewer of them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import orjson


class NotJson(ValueError):
    """The body is no JSON; the message is Go's."""


class Twice(dict[str, Any]):
    """An object as it was written: `repeated` are the keys that stand in it more than once, in order."""

    repeated: tuple[str, ...] = ()


class Parsed(msgspec.Struct, frozen=True):
    value: Any
    written: Any = None
    """The same as `value` with `Twice` for objects, only when some key is duplicated."""


def parse(body: bytes | bytearray | memoryview) -> Parsed:
    """The value of a JSON body. Raises NotJson with Go's message."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson(complaint(bytes(body))) from None
    return Parsed(value, _written(bytes(body)) if _has_duplicates(bytes(body), value) else None)


def _has_duplicates(body: bytes, value: Any) -> bool:
    # An escaped colon is the one colon that may change its spelling.
    if b"\\u003" in body:
        return True
    return body.count(b":") != orjson.dumps(value).count(b":")


def _written(body: bytes) -> Any:
    return json.loads(body, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> Twice:
    out = Twice(pairs)
    if len(out) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        out.repeated = tuple(key for key, count in counts.items() if count > 1)
    return out


def complaint(body: bytes) -> str:
    """Go's sentence for the first syntax error of a body."""
    text = body.decode(errors="replace")
    try:
        json.loads(text, parse_constant=_constant)
    except json.JSONDecodeError as error:
        return _complain(text, error.pos, error.msg)
    except RecursionError:
        return "exceeded max depth"
    return "invalid UTF-8 in string"


def _constant(name: str) -> None:
    raise json.JSONDecodeError("Expecting value", name, 0)


def _complain(text: str, at: int, says: str) -> str:
    if says.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if at >= len(text):
        return "unexpected end of JSON input"
    for literal in ("true", "false", "null"):
        if says.startswith("Expecting value") and text[at] == literal[0]:
            return _complain_literal(text, at, literal)
    return f"invalid character {quoted(text[at])} {_where(text, at, says)}"


def _complain_literal(text: str, at: int, literal: str) -> str:
    """Go reads `t`, `f` and `n` as the beginning of a literal and complains about the first other letter."""
    for offset, wanted in enumerate(literal):
        if at + offset >= len(text):
            break
        if (char := text[at + offset]) != wanted:
            return f"invalid character {quoted(char)} in literal {literal} (expecting {quoted(wanted)})"
    return "unexpected end of JSON input"


def _where(text: str, at: int, says: str) -> str:
    if says.startswith(("Expecting property name", "Illegal trailing comma before end of object")):
        return "looking for beginning of object key string"
    if says.startswith("Expecting ':'"):
        return "after object key"
    if says.startswith("Expecting ','"):
        return "after object key:value pair" if _in_object(text, at) else "after array element"
    if says.startswith("Extra data"):
        return "after top-level value"
    if "escape" in says:
        return "in string escape code"
    if "control character" in says:
        return "in string literal"
    return "looking for beginning of value"


def _in_object(text: str, at: int) -> bool:
    """Whether the innermost bracket open at a position is a brace."""
    open_, string, escaped = [], False, False
    for char in text[:at]:
        if string:
            string, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            string = True
        elif char in "{[":
            open_.append(char)
        elif char in "}]" and open_:
            open_.pop()
    return bool(open_) and open_[-1] == "{"


def quoted(char: str) -> str:
    """A character as Go's errors quote it."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    return f"'{json.dumps(char, ensure_ascii=False)[1:-1]}'"
