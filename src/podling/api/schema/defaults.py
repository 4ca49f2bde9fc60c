"""The defaults that are declared in the table.

Most of upstream's defaults are code and live with the kinds (`api/kinds`); these few are markers on fields. As
upstream, a default fills an absent field of an object that is there; it never makes the object around it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import msgspec

from podling.api.schema.types import Field, Type

Fill = Callable[[Any], None]
_SCALARS: Final = frozenset({"string", "bool", "int32", "int64", "float64", "quantity"})


def apply_defaults(obj: Any, type_: Type) -> None:
    """Fills the declared defaults of an object of this type, in place."""
    fill = type_.fill
    if fill is not None:
        fill(obj)


def compile_fill(type_: Type) -> Fill | None:
    """The filling of a type's values; None for types without any default below them."""
    return _compile(type_) if _has_default(type_, set()) else None


def _has_default(type_: Type, seen: set[int]) -> bool:
    if id(type_) in seen:
        return False
    seen.add(id(type_))
    if type_.element is not None:
        return _has_default(type_.element, seen)
    return any(declares(field) or _has_default(field.type, seen) for field in type_.fields.values())


def declares(field: Field) -> bool:
    """Whether a default changes what is stored: the zero value as the default of a non-pointer does not."""
    if field.default is msgspec.UNSET:
        return False
    return field.pointer or bool(field.default)


def _compile(type_: Type) -> Fill:
    if type_.element is not None:
        element = type_.element
        values = dict.values if type_.shape == "map" else list.__iter__

        def fill_all(value: Any) -> None:
            inner = element.fill
            if inner is not None:
                for item in values(value):
                    inner(item)

        return fill_all

    own = [(name, field.default) for name, field in type_.fields.items() if declares(field)]
    below = [(name, field.type) for name, field in type_.fields.items() if field.type.shape not in _SCALARS]
    deeper = [(name, inner) for name, inner in below if _has_default(inner, {id(type_)})]

    def fill(value: Any) -> None:
        for name, default in own:
            if value.get(name) is None:
                value[name] = deepcopy(default)
        for name, inner in deeper:
            item = value.get(name)
            if item and inner.fill is not None:
                inner.fill(item)

    return fill
