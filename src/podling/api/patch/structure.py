"""How values of a type are taken apart: what is one field, what has fields, elements or keys of its own.

This is structured-merge-diff's schema, read off our types: maps and structs are granular unless they are declared
atomic, lists are atomic unless they are declared sets or maps. A `Plan` is made once a type; None stands for
whatever is owned, compared and replaced as a whole. So is a value of another class than its plan expects: where a
custom resource may hold anything, objects are granular and the rest is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

import msgspec
import orjson

from podling.api.patch import fieldset
from podling.api.schema.types import Field, Type

Form = Literal["struct", "map", "list", "set"]


class Plan:
    """One granular type. A `list` is one of `keys`; its elements are those keys' owners."""

    def __init__(self, form: Form, type_: Type, keys: tuple[tuple[str, Any], ...] = ()) -> None:
        """`keys` in order of their names, each with its default or None."""
        self.form, self.keys = form, keys
        self.cls: Any = dict if form in ("struct", "map") else list
        self._type = type_

    @cached_property
    def fields(self) -> Mapping[str, tuple[str, Plan | None]]:
        """Of a struct: name → (step, plan)."""
        return {name: (fieldset.field(name), _of_field(field)) for name, field in self._type.fields.items()}

    @cached_property
    def by_step(self) -> Mapping[str, Plan | None]:
        return dict(self.fields.values())

    @cached_property
    def element(self) -> Plan | None:
        """Of a map's values or a list's elements."""
        if self.form == "set":
            return None
        return self if self._type.shape == "raw" else _of(self._type.element) if self._type.element else None

    def step(self, item: Any, index: int) -> str:
        """The step to an element of a list or set; by index where an element has no key at all."""
        if self.form == "set":
            return fieldset.valued(item)
        keys = {}
        if isinstance(item, dict):
            for name, default in self.keys:
                value = item.get(name, default)
                if value is not None:
                    keys[name] = value
        return "k:" + orjson.dumps(keys).decode() if keys else f"i:{index}"

    def child(self, step: str) -> Plan | None:
        """The plan below a step."""
        if self.form == "struct":
            return self.by_step.get(step)
        return self.element

    def names(self, step: str) -> bool:
        """Whether a step is to a declared field of a struct, which is there or not only with what is in it."""
        return self.form == "struct" and step in self.by_step


@lru_cache(maxsize=4096)
def plan_of(type_: Type) -> Plan:
    """The plan of a kind's whole object."""
    return Plan("struct", type_)


def _of_field(field: Field) -> Plan | None:
    type_ = field.type
    if field.map_type == "atomic":
        return None
    if type_.shape == "list" and field.list_type == "map":
        element = type_.element
        keys = ((name, _default(element, name)) for name in sorted(field.list_map_keys))
        return Plan("list", type_, tuple(keys))
    if type_.shape == "list" and field.list_type == "set":
        return Plan("set", type_)
    return _of(type_)


def _of(type_: Type) -> Plan | None:
    if type_.map_type == "atomic":
        return None
    if type_.shape == "struct":
        return plan_of(type_)
    if type_.shape == "map":
        return Plan("map", type_)
    return _ANYTHING if type_.open else None


_ANYTHING: Final = Plan("map", Type("raw"))


def _default(element: Type | None, name: str) -> Any:
    field = element.fields.get(name) if element is not None else None
    if field is None or field.default is msgspec.UNSET:
        return None
    return field.default
