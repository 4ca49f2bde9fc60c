"""Declared validation: closed enums, and the rules of upstream's declarative validation (KEP-5073) in the table.

Kinds with code of their own validate themselves (`api/kinds`); for all others this is what is known about them.
Rules that depend on feature gates or on the old object are not among them, except `immutable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.types import Field, Type

_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _uuid(value: str) -> list[str]:
    return [] if _UUID.fullmatch(value) else ["must be a lowercase UUID in 8-4-4-4-12 format"]


FORMATS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "k8s-short-name": names.dns_label,
    "k8s-long-name": names.dns_subdomain,
    "k8s-long-name-caseless": names.dns_subdomain_caseless,
    "k8s-label-key": names.qualified_name,
    "k8s-path-segment-name": names.path_segment,
    "k8s-uuid": _uuid,
}


def marker_causes(obj: Any, type_: Type, path: str = "") -> list[Cause]:
    """What the declared rules find in an object of this type; `path` stands before every field."""
    return list(_walk(obj, type_, path))


def immutable_causes(new: Mapping[str, Any], old: Mapping[str, Any], type_: Type, path: str = "") -> list[Cause]:
    """Fields declared immutable that an update changes; lists are not looked into, metadata has rules of its own."""
    out = []
    for name, field in type_.fields.items():
        if field.type.name == "meta/v1.ObjectMeta":
            continue
        before, after = old.get(name), new.get(name)
        here = _join(path, name)
        if "immutable" in field.rules and before != after:
            out.append(causes.invalid(here, after, causes.IMMUTABLE))
        elif field.type.shape == "struct" and isinstance(before, dict) and isinstance(after, dict):
            out += immutable_causes(after, before, field.type, here)
    return out


def has_rules(type_: Type, seen: frozenset[str] = frozenset()) -> bool:
    """Whether anything is declared for a type or below it."""
    if type_.element is not None:
        return has_rules(type_.element, seen)
    if type_.name in seen:
        return False
    deeper = seen | {type_.name}
    return any(_own(field) or has_rules(field.type, deeper) for field in type_.fields.values())


def _own(field: Field) -> bool:
    return bool(field.type.values and (field.type.enum or field.enum)) or any(
        rule.partition("=")[0] in _CHECKS for rule in field.rules
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _walk(value: Any, type_: Type, path: str) -> Iterator[Cause]:
    if not type_.ruled:
        return
    if type_.shape == "list" and type_.element is not None:
        for index, item in enumerate(value or ()):
            yield from _walk(item, type_.element, f"{path}[{index}]")
    elif type_.shape == "map" and type_.element is not None:
        for key, item in (value or {}).items():
            yield from _walk(item, type_.element, f"{path}[{key}]")
    elif isinstance(value, dict):
        for name, field in type_.fields.items():
            yield from _field(value.get(name), field, _join(path, name))


def _field(value: Any, field: Field, path: str) -> Iterator[Cause]:
    if value is None or value in ("", [], {}):
        if "required" in field.rules and (value is None or not field.pointer):
            yield causes.required(path)
        return
    if field.type.values and (field.type.enum or field.enum) and value not in field.type.values:
        yield causes.unsupported(path, value, field.type.values)
    for rule in field.rules:
        name, _, bound = rule.partition("=")
        check = _CHECKS.get(name)
        if check is not None:
            yield from check(path, value, bound)
    yield from _walk(value, field.type, path)


def _minimum(path: str, value: Any, bound: str) -> Iterator[Cause]:
    if value < int(bound):
        yield causes.invalid(path, value, f"must be greater than or equal to {bound}")


def _maximum(path: str, value: Any, bound: str) -> Iterator[Cause]:
    if value > int(bound):
        yield causes.invalid(path, value, f"must be less than or equal to {bound}")


def _max_items(path: str, value: Any, bound: str) -> Iterator[Cause]:
    if len(value) > int(bound):
        yield causes.too_many(path, len(value), int(bound))


def _max_bytes(path: str, value: Any, bound: str) -> Iterator[Cause]:
    if len(value.encode()) > int(bound):
        yield causes.too_long(path, int(bound))


def _format(path: str, value: Any, bound: str) -> Iterator[Cause]:
    validate = FORMATS.get(bound)
    for message in validate(value) if validate is not None else ():
        yield causes.invalid(path, value, message)


def _nothing(path: str, value: Any, bound: str) -> Iterator[Cause]:
    return iter(())


_CHECKS: Final[Mapping[str, Callable[[str, Any, str], Iterator[Cause]]]] = {
    "required": _nothing,  # asked of empty values, above
    "minimum": _minimum,
    "maximum": _maximum,
    "maxItems": _max_items,
    "maxLength": _max_bytes,
    "maxBytes": _max_bytes,
    "format": _format,
}
