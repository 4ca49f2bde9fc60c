"""Label selectors: the text grammar of `-l`, the LabelSelector of objects, matching, validation.

The grammar and its error sentences are upstream's (`a=b`, `a!=b`, `a in (b,c)`, `!a`, `a>3`); clients show the
sentences to people. A `Selector` is a frozen tuple of requirements sorted by key, all of which have to hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause

BINARY: Final = ("in", "notin", "=", "==", "!=", "gt", "lt")
OPERATORS: Final = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


class BadSelector(ValueError):
    """The text is no selector; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`key operator values`; operators: = == != in notin exists ! gt lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "in" | "=" | "==":
                return found is not None and found in self.values
            case "notin" | "!=":
                return found is None or found not in self.values
            case "exists":
                return found is not None
            case "!":
                return found is None
        if found is None or not _integer(found):
            return False
        return int(found) > int(self.values[0]) if self.operator == "gt" else int(found) < int(self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self.values[0]}"
        return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that all have to hold; none of them: everything matches, unless `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.nothing:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def exact(self) -> tuple[tuple[str, str], ...]:
        """The (key, value) pairs that a match must have: what an index can answer."""
        return tuple(
            (one.key, one.values[0])
            for one in self.requirements
            if one.operator in ("=", "==", "in") and len(one.values) == 1
        )

    def __bool__(self) -> bool:
        """Whether it excludes anything."""
        return self.nothing or bool(self.requirements)

    def __str__(self) -> str:
        """As kubectl prints it: `app=x,tier in (a,b)`."""
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING: Final = Selector()
NOTHING: Final = Selector(nothing=True)


def of(selector: Mapping[str, Any] | None) -> Selector:
    """The selector of a LabelSelector's JSON: None selects nothing, an empty one everything. Raises BadSelector."""
    if selector is None:
        return NOTHING
    out = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise BadSelector(f"{json.dumps(expression.get('operator', ''))} is not a valid label selector operator")
        values = tuple(sorted(set(expression.get("values") or ())))
        out.append(_checked(expression.get("key", ""), operator, values))
    return Selector(tuple(sorted(out, key=lambda one: one.key)))


def of_map(labels: Mapping[str, str] | None) -> Selector:
    """The selector of a plain map as Services and ReplicationControllers have it; empty selects everything."""
    return Selector(tuple(Requirement(key, "=", (value,)) for key, value in sorted((labels or {}).items())))


def parse(text: str) -> Selector:
    """The selector of `-l` and `?labelSelector=`. Raises BadSelector."""
    return Selector(tuple(sorted(_Parser(text).requirements(), key=lambda one: one.key)))


_SPECIAL = frozenset("=!(),><")
_TOKENS = frozenset({"(", ")", ",", "!", "=", "==", "!=", ">", "<", "in", "notin"})
_SPACE = " \t\r\n"
_IDENTIFIER, _ERROR, _END = "identifier", "error", "end"


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """(token, literal): a token of the grammar by itself, or identifier; ends with (end, "")."""
    at = 0
    while at < len(text):
        start = at
        if text[at] in _SPACE:
            at += 1
        elif text[at] in _SPECIAL:
            while at < len(text) and text[at] in _SPECIAL and (at == start or text[start : at + 1] in _TOKENS):
                at += 1
            yield text[start:at], text[start:at]
        else:
            while at < len(text) and text[at] not in _SPECIAL and text[at] not in _SPACE:
                at += 1
            word = text[start:at]
            yield (word if word in ("in", "notin") else _IDENTIFIER), word
    yield _END, ""


class _Parser:
    def __init__(self, text: str) -> None:
        self._items = list(_tokens(text))
        self._at = 0

    def _look(self, *, values: bool = True) -> tuple[str, str]:
        """The next token; where a value may stand, `in` and `notin` are ordinary words."""
        token, literal = self._items[min(self._at, len(self._items) - 1)]
        return (_IDENTIFIER if values and token in ("in", "notin") else token), literal

    def _take(self, *, values: bool = True) -> tuple[str, str]:
        out = self._look(values=values)
        self._at += 1
        return out

    def requirements(self) -> Iterator[Requirement]:
        token, literal = self._look()
        while token != _END:
            if token not in (_IDENTIFIER, "!"):
                raise BadSelector(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except BadSelector as error:
                raise BadSelector(f"unable to parse requirement: {error}") from None
            token, literal = self._take()
            if token == _END:
                return
            if token != ",":
                raise BadSelector(f"found '{literal}', expected: ',' or 'end of string'")
            token, literal = self._look()
            if token not in (_IDENTIFIER, "!"):
                raise BadSelector(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        token, key = self._take()
        negated = token == "!"
        if negated:
            token, key = self._take()
        if token != _IDENTIFIER:
            raise BadSelector(f"found '{key}', expected: identifier")
        if messages := names.qualified_name(key):
            raise BadSelector(_invalid("key", key, messages))
        if negated:
            return Requirement(key, "!")
        if self._look()[0] in (_END, ","):
            return Requirement(key, "exists")
        operator = self._operator()
        values = self._set() if operator in ("in", "notin") else self._exact()
        return _checked(key, operator, values)

    def _operator(self) -> str:
        token, literal = self._take(values=False)
        if token in (">", "<"):
            return "gt" if token == ">" else "lt"
        if token not in BINARY:
            raise BadSelector(f"found '{literal}', expected: {', '.join(BINARY)}")
        return token

    def _set(self) -> tuple[str, ...]:
        token, literal = self._take()
        if token != "(":
            raise BadSelector(f"found '{literal}' expected: '('")
        token, literal = self._look()
        if token == ")":
            self._take()
            return ()
        if token not in (_IDENTIFIER, ","):
            raise BadSelector(f"found '{literal}', expected: ',', ')' or identifier")
        out = {""} if token == "," else set()
        while True:
            token, literal = self._take()
            if token == _IDENTIFIER:
                out.add(literal)
                token, literal = self._take()
                if token not in (",", ")"):
                    raise BadSelector(f"found '{literal}', expected: ',' or ')'")
            elif token not in (",", ")"):
                raise BadSelector(f"found '{literal}', expected: ',', or identifier")
            else:
                out.add("")
            if token == ")":
                return tuple(sorted(out))

    def _exact(self) -> tuple[str, ...]:
        if self._look()[0] in (_END, ","):
            return ("",)
        token, literal = self._take()
        if token != _IDENTIFIER:
            raise BadSelector(f"found '{literal}', expected: identifier")
        return (literal,)


def _checked(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    """A requirement whose parts are valid. Raises BadSelector with all findings."""
    found = []
    if messages := names.qualified_name(key):
        found.append(_invalid("key", key, messages))
    if operator in ("in", "notin") and not values:
        found.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("exists", "!") and values:
        found.append(
            f"values: Invalid value: {json.dumps(values)}: values set must be empty for exists and does not exist"
        )
    if operator in ("gt", "lt") and not all(_integer(value) for value in values):
        shown = json.dumps(values[0])
        found.append(f"values[0]: Invalid value: {shown}: for 'Gt', 'Lt' operators, the value must be an integer")
    for index, value in enumerate(values):
        if messages := names.label_value(value):
            found.append(_invalid(f"values[{index}][{key}]", value, messages))
    if found:
        raise BadSelector(found[0] if len(found) == 1 else f"[{', '.join(found)}]")
    return Requirement(key, operator, values)


def _invalid(path: str, value: str, messages: Iterable[str]) -> str:
    return f"{path}: Invalid value: {json.dumps(value)}: {'; '.join(messages)}"


def _integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,19}", text) is not None


def _cause(path: str, value: object, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {message}", path)


def validate_labels(labels: Mapping[str, str], path: str) -> list[Cause]:
    """The findings in a map of labels at `path` (`metadata.labels`)."""
    try:
        _require_valid(tuple(labels.items()))
    except ValueError:
        return _findings(labels, path)
    return []


@lru_cache(maxsize=1024)
def _require_valid(items: tuple[tuple[str, str], ...]) -> None:
    """Raises ValueError. What comes from one template has one set of labels; only good ones are remembered, and those
    are short."""
    if any(names.qualified_name(key) or names.label_value(value) for key, value in items):
        raise ValueError


def _findings(labels: Mapping[str, str], path: str) -> list[Cause]:
    out = []
    for key, value in labels.items():
        if wrong := names.qualified_name(key):
            out += [_cause(path, key, message) for message in wrong]
        if wrong := names.label_value(value):
            out += [_cause(path, value, message) for message in wrong]
    return out


def validate_selector(selector: Mapping[str, Any], path: str) -> list[Cause]:
    """The findings in a LabelSelector's JSON at `path` (`spec.selector`)."""
    out = validate_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        out += _validate_expression(expression, f"{path}.matchExpressions[{index}]")
    return out


def _validate_expression(expression: Mapping[str, Any], path: str) -> list[Cause]:
    key, operator = expression.get("key", ""), expression.get("operator", "")
    values = expression.get("values") or ()
    out = []
    if operator in ("In", "NotIn"):
        if not values:
            message = "Required value: must be specified when `operator` is 'In' or 'NotIn'"
            out.append(Cause("FieldValueRequired", message, f"{path}.values"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            out.append(Cause("FieldValueForbidden", message, f"{path}.values"))
    else:
        out.append(_cause(f"{path}.operator", operator, "not a valid selector operator"))
    out += [_cause(f"{path}.key", key, message) for message in names.qualified_name(key)]
    for index, value in enumerate(values):
        out += [_cause(f"{path}.values[{index}]", value, message) for message in names.label_value(value)]
    return out
