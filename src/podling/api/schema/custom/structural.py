"""Whether a schema is structural, in upstream's words.

The rules are those of the documentation page "Extend the Kubernetes API with CustomResourceDefinitions", specifying a
structural schema: a type at every node outside of allOf, anyOf, oneOf and not; inside of these value validations only;
nothing that would make pruning and defaulting ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.schema.custom.patterns import go_pattern
from podling.api.schema.custom.values import Finding, compile_values

Schema = Mapping[str, Any]

TYPES: Final = ("object", "array", "string", "integer", "number", "boolean")
UNSUPPORTED: Final = ("id", "definitions", "dependencies", "additionalItems", "patternProperties", "$schema")
# What may not stand inside of allOf, anyOf, oneOf and not.
STRUCTURE: Final = ("type", "description", "title", "default", "nullable", "additionalProperties")
EXTENSIONS: Final = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)
JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
STRUCTURAL: Final = "must be empty to be structural"
METADATA: Final = "must not specify anything other than name and generateName, but metadata is implicitly specified"


def structural_causes(schema: Schema, path: str) -> list[Cause]:
    """Everything wrong with the schema of a version; `path` is that of the schema."""
    out = list(_root(schema, path))
    out += _node(schema, path, "root")
    return out


def has_rules(schema: Any) -> bool:
    """Whether the schema has CEL rules anywhere."""
    if isinstance(schema, Mapping):
        return bool(schema.get("x-kubernetes-validations")) or any(map(has_rules, schema.values()))
    return isinstance(schema, list) and any(map(has_rules, schema))


def _root(schema: Schema, path: str) -> Iterator[Cause]:
    if not schema.get("type"):
        yield causes.required(f"{path}.type", "must not be empty at the root")
    elif schema["type"] != "object":
        yield causes.invalid(f"{path}.type", schema["type"], "must be object at the root")
    if schema.get("nullable"):
        yield causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    metadata = (schema.get("properties") or {}).get("metadata")
    if metadata is not None:
        yield from _metadata(metadata, f"{path}.properties[metadata]")


def _metadata(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("type") != "object":
        yield causes.invalid(f"{path}.type", schema.get("type", ""), "must be object")
    others = set(schema) - {"type", "properties", "description"}
    if others or set(schema.get("properties") or ()) - {"name", "generateName"}:
        yield causes.forbidden(path, METADATA)


def _node(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    yield from _typed(schema, path, level)
    yield from _forbidden(schema, path)
    yield from _extensions(schema, path)
    yield from _default(schema, path)
    yield from _values(schema, path, schema, "")
    for name, each in (schema.get("properties") or {}).items():
        if not (level == "root" and name == "metadata"):
            yield from _node(each, f"{path}.properties[{name}]", "field")
    rest, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(rest, Mapping):
        yield from _node(rest, f"{path}.additionalProperties", "field")
    if isinstance(items, Mapping):
        yield from _node(items, f"{path}.items", "item")


def _typed(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    said = schema.get("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not said and not free and level != "root":
        what = "array items" if level == "item" else "object fields"
        yield causes.required(f"{path}.type", f"must not be empty for specified {what}")
    if said and said not in TYPES:
        yield causes.unsupported(f"{path}.type", said, sorted(TYPES))
    if said and schema.get("x-kubernetes-int-or-string"):
        yield causes.invalid(f"{path}.type", said, "must be empty if x-kubernetes-int-or-string is true")
    if said == "array" and schema.get("items") is None:
        yield causes.required(f"{path}.items", "must be specified")
    if isinstance(schema.get("items"), list):
        yield causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if schema.get("properties") and schema.get("additionalProperties") is not None:
        yield causes.forbidden(
            f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"
        )
    if schema.get("additionalProperties") is False:
        yield causes.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")


def _forbidden(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("$ref"):
        yield causes.forbidden(f"{path}.$ref", "$ref is not supported")
    for name in UNSUPPORTED:
        if schema.get(name):
            yield causes.forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield causes.forbidden(f"{path}.uniqueItems", text)
    yield from _pattern(schema, path)


def _pattern(schema: Schema, path: str) -> Iterator[Cause]:
    pattern = schema.get("pattern")
    if pattern:
        try:
            go_pattern(pattern)
        except re.error as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield causes.invalid(f"{path}.pattern", pattern, text)


def _extensions(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield causes.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    if schema.get("x-kubernetes-embedded-resource"):
        if schema.get("type") != "object":
            text = "must be object if x-kubernetes-embedded-resource is true"
            yield causes.invalid(f"{path}.type", schema.get("type", ""), text)
        if not schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
            text = (
                "must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields"
            )
            yield causes.required(f"{path}.properties", text)
    yield from _list_type(schema, path)
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None and schema.get("type") != "object":
        text = "must be object if x-kubernetes-map-type is specified"
        yield causes.invalid(f"{path}.type", schema.get("type", ""), text)
    if map_type is not None and map_type not in ("granular", "atomic"):
        yield causes.unsupported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))


def _list_type(schema: Schema, path: str) -> Iterator[Cause]:
    said, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    if said is not None and schema.get("type") != "array":
        text = "must be array if x-kubernetes-list-type is specified"
        yield causes.invalid(f"{path}.type", schema.get("type", ""), text)
    if said is not None and said not in ("atomic", "set", "map"):
        yield causes.unsupported(f"{path}.x-kubernetes-list-type", said, ("atomic", "map", "set"))
    if keys and said != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield causes.invalid(f"{path}.x-kubernetes-list-type", said, text)
    items = schema.get("items")
    if isinstance(items, Mapping) and said == "set":
        yield from _set_items(items, path)
    if isinstance(items, Mapping) and said == "map":
        yield from _map_items(items, keys, path)


def _set_items(items: Schema, path: str) -> Iterator[Cause]:
    """Members of a set are compared as a whole, so they are replaced as a whole."""
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    for type_, name in (("object", "x-kubernetes-map-type"), ("array", "x-kubernetes-list-type")):
        loose = items.get(name) != "atomic" and (type_ == "object" or items.get(name) is not None)
        if items.get("type") == type_ and loose:
            yield causes.invalid(f"{path}.items.{name}", items.get(name), text)


def _map_items(items: Schema, keys: Sequence[str], path: str) -> Iterator[Cause]:
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        yield causes.required(f"{path}.x-kubernetes-list-map-keys", text)
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield causes.invalid(f"{path}.items.type", items.get("type", ""), text)
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield causes.duplicate(f"{path}.x-kubernetes-list-map-keys[{index}]", key)
        inner = (items.get("properties") or {}).get(key)
        if inner is None:
            text = "entries must all be names of item properties"
            yield causes.invalid(f"{path}.x-kubernetes-list-map-keys[{index}]", key, text)
        elif inner.get("type") in ("object", "array"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield causes.invalid(f"{path}.items.properties[{key}].type", inner["type"], text)
        elif key not in (items.get("required") or ()) and inner.get("default") is None:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield causes.required(f"{path}.items.properties[{key}].default", text)


def _default(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("default") is None:
        return
    found: list[Finding] = []
    try:
        compile_values(schema)(schema["default"], (), found)
    except re.error:
        return  # the pattern is complained about where it stands
    for each in found:
        field = each.cause.field
        here = f"{path}.default" if field in ("", "<nil>") else f"{path}.default.{field}"
        before, body, rest = each.cause.message.partition(" in body ")
        message = f"{before.rpartition(' ')[0]} {here}{body}{rest}" if body else before
        yield Cause(each.cause.reason, message, here)


def _values(schema: Schema, path: str, structure: Schema, inside: str) -> Iterator[Cause]:
    """The value validations of a node: what stands inside of junctors."""
    for junctor in JUNCTORS:
        for index, each in enumerate(schema.get(junctor) or ()):
            yield from _nested(each, f"{path}.{junctor}[{index}]", structure)
    if (inner := schema.get("not")) is not None:
        yield from _nested(inner, f"{path}.not", structure)


def _nested(schema: Schema, path: str, structure: Schema) -> Iterator[Cause]:
    yield from _pattern(schema, path)
    for name in (*STRUCTURE, *EXTENSIONS):
        either = name == "type" and structure.get("x-kubernetes-int-or-string")
        if schema.get(name) not in (None, "", False) and not either:
            yield causes.forbidden(f"{path}.{name}", STRUCTURAL)
    for name, each in (schema.get("properties") or {}).items():
        known = (structure.get("properties") or {}).get(name)
        rest = structure.get("additionalProperties")
        if known is None and not isinstance(rest, Mapping):
            field = (
                f"{path.split('.allOf')[0].split('.anyOf')[0].split('.oneOf')[0].split('.not')[0]}.properties[{name}]"
            )
            yield causes.required(field, f"because it is defined in {path}.properties[{name}]")
            continue
        yield from _nested(each, f"{path}.properties[{name}]", known if known is not None else rest or {})
    items = schema.get("items")
    if isinstance(items, Mapping) and isinstance(structure.get("items"), Mapping):
        yield from _nested(items, f"{path}.items", structure["items"])
    yield from _values(schema, path, structure, path)
