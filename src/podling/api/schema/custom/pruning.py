"""Pruning: what a structural schema does not name is dropped and told.

As the Kubernetes documentation page "Extend the Kubernetes API with CustomResourceDefinitions", field pruning, has it:
`x-kubernetes-preserve-unknown-fields` keeps what is unknown at its node while named fields below are still pruned;
the root and embedded resources keep apiVersion, kind and metadata, which have a type of their own: what ObjectMeta does
not know is dropped from an embedded resource's metadata too, whatever else is kept there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podling.api.schema.types import Path

Schema = Mapping[str, Any]
Prune = Callable[[Any, Path, list[Path]], None]
"""(value, its path, paths of what was dropped); in place."""

ROOT: Final = frozenset({"apiVersion", "kind", "metadata"})
OBJECT_META: Final = frozenset(
    [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ]
)


def compile_pruning(schema: Schema, *, root: bool = False) -> Prune:
    """`root`: the value is an object of the API and keeps what every such object has."""
    inner = schema.get("items")
    items = compile_pruning(inner) if isinstance(inner, Mapping) else None
    embedded = not root and bool(schema.get("x-kubernetes-embedded-resource"))
    keep = ROOT if root or embedded else frozenset()
    everything = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    below = {name: compile_pruning(each) for name, each in (schema.get("properties") or {}).items() if name not in keep}
    rest = schema.get("additionalProperties")
    each_value = compile_pruning(rest) if isinstance(rest, Mapping) else None
    free = everything or rest is True

    def prune_object(value: dict[str, Any], path: Path, unknown: list[Path]) -> None:
        dropped: list[str] = []
        for name, item in value.items():
            prune = below.get(name, each_value)
            if name in keep:
                continue
            if prune is None:
                if not free:
                    dropped.append(name)
            elif item.__class__ is dict or item.__class__ is list:
                prune(item, (path, name, ""), unknown)
        if embedded:
            _prune_metadata(value.get("metadata"), (path, "metadata", ""), unknown)
        for name in dropped:
            del value[name]
            unknown.append((path, name, ""))

    def prune_value(value: Any, path: Path, unknown: list[Path]) -> None:
        if value.__class__ is dict:
            prune_object(value, path, unknown)
        elif value.__class__ is list and items is not None:
            for index, item in enumerate(value):
                items(item, (path, index, ""), unknown)

    return prune_value


def _prune_metadata(metadata: Any, path: Path, unknown: list[Path]) -> None:
    if metadata.__class__ is not dict:
        return
    for name in [each for each in metadata if each not in OBJECT_META]:
        del metadata[name]
        unknown.append((path, name, ""))
