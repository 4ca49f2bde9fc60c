"""Types in one shape: what validation, defaulting, patches, protobuf and OpenAPI are driven by.

A `Type` is either a struct, a list, a map or a scalar of one of Kubernetes' kinds of scalars. Types name each other
lazily (JSONSchemaProps holds itself), so a struct's fields are resolved when they are first looked at. Nothing here
changes after that; everybody shares the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Literal

import msgspec

Shape = Literal[
    "struct",
    "list",
    "map",
    "string",
    "bool",
    "int32",
    "int64",
    "float64",
    "bytes",  # base64 text in JSON
    "time",
    "microtime",
    "duration",
    "quantity",
    "intorstring",
    "raw",  # runtime.RawExtension: any object
    "fields",  # meta/v1.FieldsV1: an object that is kept as it is
    "json",  # any JSON value
    "schemaorbool",  # the unions of JSONSchemaProps, whose JSON is one alternative without a name
    "schemaorarray",
    "schemaorstrings",
]
Path = tuple[Any, ...]
"""A chain (outer path, name | index, Go struct of the field or ""); () at the top."""
Check = Callable[[Any, Path, list[Path]], Any]
"""(value, its path, paths of unknown fields found so far) → the value to keep. Raises FieldTypeError."""
Rule = str
"""A declarative rule of a field: `required`, `maxItems=32`, `format=k8s-short-name`, `immutable` …"""


class Field(msgspec.Struct, frozen=True, gc=False):
    """A field of a struct. `default` is UNSET where the table has none (many defaults are code, in `api/kinds`)."""

    name: str
    type: Type
    number: int = 0
    """Protobuf field number, 0 where there is none."""
    pointer: bool = False
    omitempty: bool = False
    inline: bool = False
    """A nested struct whose fields appear in the outer JSON object; a message of its own in protobuf."""
    optional: bool = False
    required: bool = False
    default: Any = msgspec.UNSET
    enum: bool = False
    list_type: str = ""
    """`atomic`, `set`, `map` or empty."""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    """`atomic`, `granular` or empty; for structs what upstream calls structType."""
    patch_strategy: str = ""
    """As in Go tags: `merge`, `replace`, `retainKeys`, several joined by a comma."""
    patch_merge_key: str = ""
    gate: str = ""
    rules: tuple[Rule, ...] = ()


class Type:
    """A type. Structs have `fields`, lists and maps an `element`, strings may have `values`."""

    strategic: bool = True
    """Whether strategic merge patches are understood, which need the Go tags of a built-in kind."""
    open: bool = False
    """Whether objects of it may hold what nobody declared (x-kubernetes-preserve-unknown-fields)."""

    def __init__(
        self,
        shape: Shape,
        *,
        name: str = "",
        go: str = "",
        element: Type | None = None,
        values: tuple[str, ...] = (),
        enum: bool = False,
        message: bool = False,
        map_type: str = "",
        lifecycle: Mapping[str, str] | None = None,
        declare: Callable[[], tuple[Field, ...]] = tuple,
    ) -> None:
        self.shape: Final = shape
        self.name: Final = name
        """`core/v1.PodSpec`; empty for lists, maps and plain scalars."""
        self.go: Final = go or shape
        """The type as Go prints it in messages: `v1.PodSpec`, `[]v1.Container`, `map[string]string`, `int32`."""
        self.element: Final = element
        self.values: Final = values
        """The constants of a named string type; a closed set only where `enum` is true."""
        self.enum: Final = enum
        self.message: Final = message
        """A named list that protobuf wraps in a message of its own (ExtraValue, Verbs)."""
        self.map_type: Final = map_type
        self.lifecycle: Final = lifecycle or {}
        """`introduced`, `deprecated`, `removed` (releases), `replacement` (`group,version,Kind`)."""
        self._declare = declare

    @cached_property
    def declared(self) -> tuple[Field, ...]:
        """The fields as declared, inline structs as one field: the shape of the protobuf message."""
        return self._declare()

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The fields by JSON name, inline structs flattened; empty for what is no struct."""
        out: dict[str, Field] = {}
        for field in self.declared:
            if field.inline:
                out.update(field.type.fields)
            else:
                out[field.name] = field
        return out

    @cached_property
    def by_number(self) -> Mapping[int, Field]:
        """The fields of the protobuf message, by number."""
        return {field.number: field for field in self.declared if field.number}

    @cached_property
    def check(self) -> Check:
        """The compiled check of a value of any class against this type (see `check.py`)."""
        from podling.api.schema.check import compile_check

        return compile_check(self)

    @cached_property
    def check_object(self) -> Check:
        """The compiled check of a dict against this struct, shared by all fields of the type."""
        from podling.api.schema.check import compile_struct

        return compile_struct(self)

    @cached_property
    def fill(self) -> Callable[[Any], None] | None:
        """Fills declared defaults in place; None where there are none (see `defaults.py`)."""
        from podling.api.schema.defaults import compile_fill

        return compile_fill(self)

    @cached_property
    def ruled(self) -> bool:
        """Whether declared validation has anything to say about values of this type (see `markers.py`)."""
        from podling.api.schema.markers import has_rules

        return has_rules(self)

    def at(self, path: str) -> Type | None:
        """The type below a dotted path (`spec.containers.name`; elements of lists and maps need no name)."""
        here: Type | None = self
        for name in path.split(".") if path else ():
            while here is not None and here.shape in ("list", "map"):
                here = here.element
            field = here.fields.get(name) if here is not None else None
            here = field.type if field is not None else None
        return here

    def __repr__(self) -> str:
        return f"Type({self.name or self.go})"
