"""Checks that many kinds share: a path and a value give causes.

What a value may look like is said in `names`, `labels` and `quantity`; here their sentences get a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from podling.api import labels as label_rules
from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes

Rule = Callable[[str], list[str]]


def all_invalid(path: str, value: Any, texts: Iterable[str]) -> list[Cause]:
    return [causes.invalid(path, value, text) for text in texts]


def one_of(path: str, value: Any, options: Iterable[str]) -> list[Cause]:
    """`value` must be one of the options, which are listed as given."""
    options = tuple(options)
    return [] if value in options else [causes.unsupported(path, value, options)]


def required_one_of(path: str, value: Any, options: Iterable[str]) -> list[Cause]:
    """Like `one_of`; an empty value is reported as missing."""
    return one_of(path, value, options) if value else [causes.required(path)]


def at_least(path: str, value: int | None, low: int) -> list[Cause]:
    if value is None or value >= low:
        return []
    return [causes.invalid(path, value, f"must be greater than or equal to {low}")]


def not_negative(path: str, value: int | None) -> list[Cause]:
    return at_least(path, value, 0)


def named(path: str, value: str, rule: Rule) -> list[Cause]:
    """A name that must be there and follow a rule."""
    return all_invalid(path, value, rule(value)) if value else [causes.required(path)]


def port(path: str, value: int | str) -> list[Cause]:
    """An IntOrString: a number of 1–65535 or the name of a port."""
    return all_invalid(path, value, names.port_name(value) if isinstance(value, str) else names.port_number(value))


def labels(path: str, value: Mapping[str, str] | None) -> list[Cause]:
    return label_rules.validate_labels(value or {}, path)


def label_selector(path: str, selector: Mapping[str, Any] | None) -> list[Cause]:
    """A metav1.LabelSelector."""
    return label_rules.validate_selector(selector, path) if selector else []
