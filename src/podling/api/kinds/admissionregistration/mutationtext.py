"""Mutations say what they want as `Object{spec: Object.spec{replicas: 3}}` and `JSONPatch{op: "add", …}`.

These types have whatever fields an expression gives them, which no type checker knows; so they are read as maps, by
rewriting the text before it is compiled: `Object.spec{replicas: 3}` becomes `{"replicas": 3}`. Upstream checks that a
type's name follows the path it stands in, and so does this.
"""

from __future__ import annotations

import re

from podling.api.cel import CelSyntaxError

_TYPE = re.compile(r"(?<![\w.])(Object(?:\.\w+)*|JSONPatch)\s*\{")
_STRING = re.compile(r"[rRbB]{0,2}(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')")
_FIELD = re.compile(r"\s*(\??)\s*([A-Za-z_]\w*)\s*:")
_ESCAPE = re.compile(r"(?<![\w.])jsonpatch\.escapeKey\s*\(")
_OPEN, _CLOSE = "([{", ")]}"


def as_maps(expression: str) -> str:
    """Raises CelSyntaxError for a type that is not of its place."""
    return _escapes(_rewritten(expression, ""))


def _rewritten(text: str, path: str) -> str:
    """`path`: the type whose field the text is the value of, "" outside of any."""
    out: list[str] = []
    at = 0
    while at < len(text):
        if (string := _STRING.match(text, at)) and (at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_")):
            out.append(string[0])
            at = string.end()
        elif found := _TYPE.match(text, at):
            name, inside = found[1], found.end()
            end = _closing(text, inside)
            if path and name != "JSONPatch" and name != path:
                why = f'expected "{path}", which matches field name path from root Object type'
                raise CelSyntaxError(f'unexpected type name "{name}", {why}')
            out.append("{" + _fields(text[inside:end], name) + "}")
            at = end + 1
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def _fields(text: str, name: str) -> str:
    parts = []
    for part in _split(text):
        found = _FIELD.match(part)
        if found is None:
            if part.strip():
                raise CelSyntaxError(f"compilation failed: ERROR: {name} is not given by fields: {part.strip()}")
            continue
        inner = f"{name}.{found[2]}" if name != "JSONPatch" else ""
        parts.append(f'{found[1]}"{found[2]}": {_rewritten(part[found.end() :], inner).strip()}')
    return ", ".join(parts)


def _split(text: str) -> list[str]:
    """At the commas of the outermost level."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if string := _STRING.match(text, at):
            at = string.end()
            continue
        if text[at] in _OPEN:
            depth += 1
        elif text[at] in _CLOSE:
            depth -= 1
        elif text[at] == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _closing(text: str, at: int) -> int:
    """Where the bracket opened before `at` is closed. Raises CelSyntaxError."""
    depth = 1
    while at < len(text):
        if string := _STRING.match(text, at):
            at = string.end()
            continue
        if text[at] in _OPEN:
            depth += 1
        elif text[at] in _CLOSE:
            depth -= 1
            if not depth:
                return at
        at += 1
    raise CelSyntaxError("compilation failed: ERROR: <input>: Syntax error: mismatched input '<EOF>' expecting '}'")


def _escapes(text: str) -> str:
    """`jsonpatch.escapeKey(x)` by the functions of strings."""
    while found := _ESCAPE.search(text):
        end = _closing(text, found.end())
        inner = text[found.end() : end]
        text = f'{text[: found.start()]}({inner}).replace("~", "~0").replace("/", "~1"){text[end + 1 :]}'
    return text
