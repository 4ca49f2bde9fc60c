"""Field selectors: `--field-selector spec.nodeName=a,status.phase!=Running`.

Which fields a kind can be selected by is the kind's own declaration; here is only the grammar with its escapes and
upstream's sentences. The values come from the head of an object (`Head.fields`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final


class BadSelector(ValueError):
    """The text is no field selector, or names a field that cannot be selected by; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`field = value` or `field != value`."""

    field: str
    value: str
    negated: bool = False

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) is not self.negated

    def __str__(self) -> str:
        return f"{self.field}{'!=' if self.negated else '='}{_escape(self.value)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that all have to hold."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with these field values is selected; a field it does not have counts as empty."""
        return all(requirement.matches(fields) for requirement in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value the field must have: what an index can answer; None when it is not pinned to one."""
        for one in self.requirements:
            if one.field == field and not one.negated:
                return one.value
        return None

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)

    def renamed(self, names: Mapping[str, str]) -> Selector:
        """The same in other words: `names` are all that may be said besides metadata. Raises BadSelector."""
        self.check({*names, "metadata.name", "metadata.namespace"})
        return Selector(tuple(Requirement(names.get(o.field, o.field), o.value, o.negated) for o in self.requirements))

    def check(self, supported: Collection[str], *, generic: bool = False) -> None:
        """Raises BadSelector for a field outside `supported`; `generic` kinds have a sentence of their own."""
        for one in self.requirements:
            if one.field in supported:
                continue
            if generic:
                known = '"metadata.name", "metadata.namespace"'
                raise BadSelector(f"{json.dumps(one.field)} is not a known field selector: only {known}")
            raise BadSelector(f"field label not supported: {one.field}")


EVERYTHING: Final = Selector()
_OPERATORS = ("!=", "==", "=")


def parse(text: str) -> Selector:
    """The selector of `?fieldSelector=`. Raises BadSelector."""
    out = []
    for term in _terms(text):
        if not term:
            continue
        split = _split(term)
        if split is None:
            raise BadSelector(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = split
        out.append(Requirement(field, _unescape(value), operator == "!="))
    return Selector(tuple(sorted(out, key=lambda one: one.field)))


def _terms(text: str) -> Iterator[str]:
    """The text cut at commas that no backslash escapes."""
    start, at = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == ",":
            yield text[start:at]
            start = at + 1
        at += 1
    yield text[start:]


def _split(term: str) -> tuple[str, str, str] | None:
    for at in range(len(term)):
        for operator in _OPERATORS:
            if term.startswith(operator, at):
                return term[:at], operator, term[at + len(operator) :]
    return None


def _unescape(value: str) -> str:
    if not any(char in value for char in "\\,="):
        return value
    out, at = [], 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            following = value[at + 1 : at + 2]
            if following not in ("\\", ",", "="):
                raise BadSelector(f"invalid field selector: invalid escape sequence: {value[at : at + 2]}")
            out.append(following)
            at += 1
        elif char in ",=":
            raise BadSelector(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
        at += 1
    return "".join(out)


def _escape(value: str) -> str:
    return "".join(f"\\{char}" if char in "\\,=" else char for char in value)
