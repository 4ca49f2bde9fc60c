"""A structural schema as the type of an expression's variable.

As upstream declares it (KEP-2876): objects with properties are structs, those with additionalProperties maps; text of
the formats date, date-time, duration and byte is what it means; what the schema does not describe (unknown fields that
are preserved) expressions cannot reach. Bounds of the schema become bounds of the type, and where it has none the size
of a request is the bound: costs are estimated from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podling.api.cel.names import RESERVED, escape
from podling.api.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, CelType

Schema = Mapping[str, Any]

LONGEST: Final = 3 * 1024 * 1024
"""Bytes of a request."""
MOMENT_LEAST: Final = 22
DAY_LEAST: Final = 12
SPAN_LEAST: Final = 4
META: Final[Schema] = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
ROOT: Final[Mapping[str, Schema]] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": META}


def cel_type(schema: Schema, *, root: bool = False) -> CelType | None:
    """None for what expressions cannot reach; `root`: the schema is that of a whole object."""
    if schema.get("x-kubernetes-int-or-string"):
        return CelType("dyn", limit=_most(schema, "maxLength", LONGEST - 2), least=1)
    if schema.get("type") == "object":
        return _object(schema, root=root or bool(schema.get("x-kubernetes-embedded-resource")))
    made = _MADE.get(str(schema.get("type")))
    type_ = made(schema) if made is not None else None
    if type_ is not None and schema.get("nullable"):
        return CelType(type_.name, type_.params, type_.fields, type_.limit, True, type_.least)
    return type_


def _object(schema: Schema, *, root: bool) -> CelType | None:
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        value = cel_type(rest)
        if value is None:
            return None
        limit = _most(schema, "maxProperties", (LONGEST - 2) // (value.least + 6))
        return CelType("map", (STRING_KEY, value), limit=limit, nullable=bool(schema.get("nullable")), least=2)
    properties = dict(schema.get("properties") or {})
    if root:
        properties = {**ROOT, **{key: value for key, value in properties.items() if key not in ROOT}}
    fields: dict[str, CelType] = {}
    least = 2
    required = schema.get("required") or ()
    for name, each in properties.items():
        type_, written = cel_type(each), escape(name)
        if type_ is None or written is None:
            continue
        fields[written] = type_
        if name in RESERVED:
            fields[name] = type_  # behind a dot it cannot be mistaken
        if name in required and each.get("default") is None:
            least += len(name) + type_.least + 4
    return CelType("object", fields=fields, nullable=bool(schema.get("nullable")), least=least)


def _array(schema: Schema) -> CelType | None:
    items = schema.get("items")
    element = cel_type(items) if isinstance(items, Mapping) else None
    if element is None:
        return None
    limit = _most(schema, "maxItems", (LONGEST - 2) // (element.least + 1))
    return CelType("list", (element,), limit=limit, least=2)


def _string(schema: Schema) -> CelType:
    match schema.get("format"):
        case "byte":
            return CelType(BYTES.name, limit=_most(schema, "maxLength", LONGEST - 2), least=2)
        case "duration":
            return CelType(DURATION.name, limit=LONGEST - 2, least=SPAN_LEAST)
        case "date":
            return CelType(TIMESTAMP.name, limit=10, least=DAY_LEAST)
        case "date-time":
            return CelType(TIMESTAMP.name, limit=30, least=MOMENT_LEAST)
    longest = max((len(str(each)) for each in schema.get("enum") or ()), default=LONGEST - 2)
    return CelType(STRING.name, limit=_most(schema, "maxLength", longest), least=2)


def _most(schema: Schema, key: str, otherwise: int) -> int:
    """The tightest bound of a node and of what `allOf` adds to it."""
    said = [each[key] for each in (schema, *(schema.get("allOf") or ())) if each.get(key) is not None]
    return min(said, default=otherwise)


STRING_KEY: Final = CelType(STRING.name, limit=LONGEST - 2, least=2)
_MADE: Final[Mapping[str, Callable[[Schema], CelType | None]]] = {
    "array": _array,
    "string": _string,
    "integer": lambda schema: CelType(INT.name, least=1),
    "number": lambda schema: CelType(DOUBLE.name, least=1),
    "boolean": lambda schema: CelType(BOOL.name, least=4),
}
