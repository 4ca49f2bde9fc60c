"""Defaults of a structural schema, and the nulls that stand for absent fields.

A null in a field that is not `nullable` is no value: it goes, or makes room for the default (documentation page
"Extend the Kubernetes API with CustomResourceDefinitions", defaulting and nullable). As with built-in kinds a default
fills an absent field of an object that is there; the object around it comes only from a default of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from podling.api.schema.custom.pruning import ROOT, Schema

Fill = Callable[[Any], None]


def compile_defaulting(schema: Schema, *, root: bool = False) -> Fill:
    """Fills in place; `root`: apiVersion, kind and metadata are not the schema's."""
    skipped = ROOT if root else frozenset()
    properties = {name: each for name, each in (schema.get("properties") or {}).items() if name not in skipped}
    defaults = {name: each["default"] for name, each in properties.items() if each.get("default") is not None}
    nullable = {name for name, each in properties.items() if each.get("nullable")}
    below = {name: compile_defaulting(each) for name, each in properties.items()}
    rest, inner = schema.get("additionalProperties"), schema.get("items")
    others = compile_defaulting(rest) if isinstance(rest, Mapping) else None
    items = compile_defaulting(inner) if isinstance(inner, Mapping) else None
    free = rest if isinstance(rest, Mapping) else {}

    def unwanted(name: str) -> bool:
        """Whether a null in this field is no value."""
        if name in properties:
            return name not in nullable
        return bool(free) and not free.get("nullable") and name not in skipped

    def fill_object(value: dict[str, Any]) -> None:
        for name, default in defaults.items():
            if name not in value or (value[name] is None and name not in nullable):
                value[name] = deepcopy(default)
        absent: list[str] = []
        for name, item in value.items():
            if item is None:
                if unwanted(name):
                    absent.append(name)
            elif item.__class__ is dict or item.__class__ is list:
                fill = below.get(name, others)
                if fill is not None and name not in skipped:
                    fill(item)
        for name in absent:
            if name not in properties and free.get("default") is not None:
                value[name] = deepcopy(free["default"])
            else:
                del value[name]

    def fill_value(value: Any) -> None:
        if value.__class__ is dict:
            fill_object(value)
        elif value.__class__ is list and items is not None:
            for index, item in enumerate(value):
                if item is None and isinstance(inner, Mapping) and inner.get("default") is not None:
                    value[index] = item if inner.get("nullable") else deepcopy(inner["default"])
                items(item)

    return fill_value
