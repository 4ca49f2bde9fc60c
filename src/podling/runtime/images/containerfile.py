"""Containerfiles (Dockerfiles): text to instructions, without doing any of them.

Covers the reference of the format as far as the builder goes: comments, continued lines, the exec form, flags,
`ARG` and `ENV` substitution. A here-document is refused by name.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

_VARIABLE = re.compile(r"\\(?P<escaped>\$)|\$(?:(?P<bare>\w+)|\{(?P<name>\w+)(?:(?P<kind>:[-+])(?P<word>[^}]*))?\})")
KNOWN = frozenset(
    (
        *("FROM", "RUN", "CMD", "LABEL", "MAINTAINER", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME"),
        *("USER", "WORKDIR", "ARG", "STOPSIGNAL", "HEALTHCHECK", "SHELL", "ONBUILD"),
    )
)


class ContainerfileError(ValueError):
    """Says the line and what is wrong with it."""


class Instruction(NamedTuple):
    """`rest` is the text after the name and its flags."""

    name: str
    flags: Mapping[str, str]
    rest: str
    line: int

    @property
    def text(self) -> str:
        flags = "".join(f" --{name}={value}" for name, value in self.flags.items())
        return f"{self.name}{flags} {self.rest}"

    def words(self) -> tuple[str, ...]:
        """The exec form's list, or the words as a shell would split them."""
        listed = self.listed()
        if listed is not None:
            return listed
        try:
            return tuple(shlex.split(self.rest))
        except ValueError as error:
            raise ContainerfileError(f"line {self.line}: {error}") from None

    def listed(self) -> tuple[str, ...] | None:
        """The exec form (`["program", "argument"]`), None for the shell form."""
        if not self.rest.startswith("["):
            return None
        try:
            value = json.loads(self.rest)
        except ValueError:
            return None
        return tuple(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """`key=value …`, or the old form `key value with spaces`."""
        first = self.rest.split(None, 1)
        if first and "=" not in first[0]:
            if len(first) < 2:
                raise ContainerfileError(f"line {self.line}: {self.name} must have two arguments")
            return ((first[0], first[1]),)
        pairs = []
        for word in self.words():
            key, equals, value = word.partition("=")
            if not equals or not key:
                raise ContainerfileError(f"line {self.line}: {word!r} is not of the form name=value")
            pairs.append((key, value))
        return tuple(pairs)


def parse(text: str) -> tuple[Instruction, ...]:
    """Raises ContainerfileError."""
    found = []
    for number, line in _lines(text):
        name, _, rest = line.partition(" ")
        name = name.upper()
        if name not in KNOWN:
            raise ContainerfileError(f"line {number}: unknown instruction: {name}")
        if name in ("RUN", "COPY", "ADD") and re.search(r"<<-?['\"]?\w", rest):
            raise ContainerfileError(f"line {number}: here-documents are not supported")
        flags, rest = _flags(rest.strip())
        if not rest:
            raise ContainerfileError(f"line {number}: {name} requires at least one argument")
        found.append(Instruction(name, flags, rest, number))
    if not found:
        raise ContainerfileError("the file has no instructions")
    first = next((i for i in found if i.name != "ARG"), found[0])
    if first.name != "FROM":
        raise ContainerfileError(f"line {first.line}: the first instruction must be FROM")
    return tuple(found)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`$name`, `${name}`, `${name:-word}`, `${name:+word}`; what is not set is empty, `\\$` is a dollar."""

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        value = variables.get(match["bare"] or match["name"], "")
        if match["kind"] == ":-":
            return value or match["word"]
        if match["kind"] == ":+":
            return match["word"] if value else ""
        return value

    return _VARIABLE.sub(replace, text)


def _lines(text: str) -> list[tuple[int, str]]:
    """Logical lines with the numbers of their first physical ones; comments inside a continued line are dropped."""
    found: list[tuple[int, str]] = []
    parts: list[str] = []
    start = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not parts:
            start = number
        if line.endswith("\\"):
            parts.append(line[:-1].rstrip())
            continue
        found.append((start, " ".join((*parts, line)).replace("\t", " ")))
        parts = []
    if parts:
        found.append((start, " ".join(parts)))
    return found


def _flags(rest: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        name, _, value = word[2:].partition("=")
        flags[name] = value
        rest = rest.lstrip()
    return flags, rest
