"""A version of a custom resource as a `Type`: what decoding, patches and apply know of built-in kinds.

Checking a body is pruning here (types of values are a matter of validation, as upstream), except for metadata, which
has the one type that all objects share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import msgspec

from podling.api.schema.check import FieldTypeError, mismatch
from podling.api.schema.custom.defaulting import compile_defaulting
from podling.api.schema.custom.pruning import Prune, Schema, compile_pruning
from podling.api.schema.types import Check, Field, Path, Shape, Type

SCALARS: Final[Mapping[str, Shape]] = {
    "string": "string",
    "boolean": "bool",
    "integer": "int64",
    "number": "float64",
}


class CustomType(Type):
    """`schema` is the version's structural schema; everything else follows from it."""

    strategic = False

    def __init__(self, schema: Schema, kind: str, metadata: Type) -> None:
        self.open = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        super().__init__("struct", go=kind, declare=lambda: (*_meta_fields(metadata), *_fields(schema, root=True)))
        self.schema: Final = schema
        self._metadata = metadata

    @cached_property
    def check(self) -> Check:
        """Checks metadata, prunes the rest; in place."""
        prune, metadata, go = self.prune, self._metadata, self.go

        def check(value: Any, path: Path, unknown: list[Path]) -> Any:
            if value.__class__ is not dict:
                raise mismatch(value, go, path)
            if (said := value.get("metadata")) is not None:
                value["metadata"] = metadata.check(said, (path, "metadata", ""), unknown)
            for name in ("apiVersion", "kind"):
                if value.get(name) is not None and not isinstance(value[name], str):
                    raise FieldTypeError(f"Object '{name}' is not a string")
            prune(value, path, unknown)
            return value

        return check

    @cached_property
    def prune(self) -> Prune:
        """Pruning alone, for what is stored already."""
        return compile_pruning(self.schema, root=True)

    @cached_property
    def check_object(self) -> Check:
        return self.check

    @cached_property
    def fill(self) -> Callable[[Any], None]:
        return compile_defaulting(self.schema, root=True)

    @cached_property
    def ruled(self) -> bool:
        """Its rules are the schema's, not markers."""
        return False


def custom_type(schema: Schema, kind: str, metadata: Type) -> CustomType:
    """`metadata`: the type of ObjectMeta."""
    return CustomType(schema, kind, metadata)


def _meta_fields(metadata: Type) -> tuple[Field, ...]:
    text = Type("string", go="string")
    return (
        Field("kind", text, omitempty=True),
        Field("apiVersion", text, omitempty=True),
        Field("metadata", metadata, omitempty=True),
    )


def _fields(schema: Schema, *, root: bool = False) -> tuple[Field, ...]:
    skipped = ("apiVersion", "kind", "metadata") if root else ()
    required = schema.get("required") or ()
    return tuple(
        Field(
            name,
            type_of(each),
            pointer=True,
            omitempty=True,
            required=name in required,
            default=each.get("default", msgspec.UNSET),
            list_type=each.get("x-kubernetes-list-type") or "",
            list_map_keys=tuple(each.get("x-kubernetes-list-map-keys") or ()),
            map_type=each.get("x-kubernetes-map-type") or "",
        )
        for name, each in (schema.get("properties") or {}).items()
        if name not in skipped
    )


def type_of(schema: Schema) -> Type:
    """The shape of a value below the root."""
    out = _shape_of(schema)
    out.open = bool(schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource"))
    return out


def _shape_of(schema: Schema) -> Type:
    if schema.get("x-kubernetes-int-or-string"):
        return Type("intorstring", go="intstr.IntOrString")
    said = schema.get("type")
    if said == "array":
        inner = schema.get("items")
        return Type("list", go="array", element=type_of(inner) if isinstance(inner, Mapping) else Type("json"))
    if said != "object":
        return Type(SCALARS.get(str(said), "json"), go=str(said or "json"))
    map_type = schema.get("x-kubernetes-map-type") or ""
    if schema.get("properties"):
        return Type("struct", go="object", map_type=map_type, declare=lambda: _fields(schema))
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        return Type("map", go="object", element=type_of(rest), map_type=map_type)
    return Type("raw", go="object", map_type=map_type)
