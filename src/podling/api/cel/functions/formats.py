"""Kubernetes' library of formats: `format.dns1123Label().validate(name)` gives what is wrong, or nothing."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from podling.api import names
from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, text_of, traversal, wrong
from podling.api.cel.functions.urls import is_url
from podling.api.cel.timetext import read_moment
from podling.api.cel.values import NONE, Optional, Value

Check = Callable[[str], list[str]]
_UUID: Final = re.compile("[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Format(Value):
    name: str
    check: Check
    type_name = "kubernetes.NamedFormat"


def _prefix(check: Check) -> Check:
    """A prefix may end in a dash, because something comes behind it."""
    return lambda text: check(f"{text.removesuffix('-')}-a" if text.endswith("-") else text)


def _attempt(read: Callable[[str], object], text: str) -> Check:
    def check(value: str) -> list[str]:
        try:
            read(value)
        except (ValueError, binascii.Error, CelEvaluationError):
            return [text]
        return []

    return check


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


FORMATS: Final[Mapping[str, Check]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "dns1123LabelPrefix": _prefix(names.dns_label),
    "dns1123SubdomainPrefix": _prefix(names.dns_subdomain),
    "dns1035LabelPrefix": _prefix(names.dns_1035_label),
    "qualifiedName": names.qualified_name,
    "labelValue": names.label_value,
    "uri": lambda text: [] if is_url(text) else ["invalid URI"],
    "uuid": lambda text: [] if _UUID.fullmatch(text) else ["does not match the UUID format"],
    "byte": _attempt(_base64, "invalid base64"),
    "date": _attempt(date.fromisoformat, "invalid date"),
    "datetime": _attempt(read_moment, "invalid datetime"),
}


def _named(name: Any) -> Optional:
    known = FORMATS.get(text_of(name))
    return NONE if known is None else Optional(True, Format(name, known))


def _validated(value: Any, text: Any) -> Optional:
    if not isinstance(value, Format):
        raise wrong()
    found = value.check(text_of(text))
    return Optional(True, found) if found else NONE


def _constant(name: str) -> Callable[[], Format]:
    made = Format(name, FORMATS[name])
    return lambda: made


FUNCTIONS: Final = (
    Function("format.named", _named, ("(string) -> optional_type<kubernetes.NamedFormat>",)),
    *(Function(f"format.{name}", _constant(name), ("() -> kubernetes.NamedFormat",)) for name in FORMATS),
    Function(
        "validate",
        _validated,
        ("kubernetes.NamedFormat.(string) -> optional_type<list<string>>",),
        lambda value, text: max(traversal(len(text)), 1),
    ),
)
