"""Other versions of a kind that differ from the hub in little: the words their conversions are made of.

A conversion is pure and makes new values (`kind.Conversion`). Most versions that upstream removed look like their
successors and differ in their defaults only; the others rename a field, or keep in an annotation what the hub cannot
say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podling.api.kinds.kind import Conversion, Json

Change = Callable[[Json], Json]


def same_shape(
    group: str, version: str, default: Callable[[Json], None], hub: str, *, mutable: frozenset[str] = frozenset()
) -> Conversion:
    """The conversion of a version whose objects look like those of the hub, which `hub` names: `apps/v1`."""
    return with_spec(group, version, default, hub, _same, _same, mutable=mutable)


def with_spec(
    group: str,
    version: str,
    default: Callable[[Json], None],
    hub: str,
    to_hub: Change,
    from_hub: Change,
    *,
    mutable: frozenset[str] = frozenset(),
) -> Conversion:
    """The same, where more than apiVersion changes: `to_hub` and `from_hub` take an object and give a new one."""
    here = f"{group}/{version}" if group else version
    return Conversion(
        group,
        version,
        default,
        to_hub=lambda obj: {**to_hub(obj), "apiVersion": hub},
        from_hub=lambda obj: {**from_hub(obj), "apiVersion": here},
        mutable=mutable,
    )


def without_defaults(obj: Json) -> None:
    """The defaults of a version that has none."""


def _same(obj: Json) -> Json:
    return obj


def replaced(obj: Json, **fields: Any) -> Json:
    """The object with other values of some of its fields; a field that is None goes."""
    changed = {**obj, **fields}
    return {name: value for name, value in changed.items() if value is not None or name not in fields}


def renamed(obj: Json, **fields: str) -> Json:
    """The object with other names of some of its fields, in their old places."""
    return {fields.get(name, name): value for name, value in obj.items()}


def annotated(obj: Json, key: str, value: str | None) -> Json:
    """The object with an annotation, or without it where the value is None."""
    metadata = obj.get("metadata") or {}
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(key, None)
    if value is not None:
        annotations[key] = value
    return {**obj, "metadata": replaced(metadata, annotations=annotations or None)}


def annotation(obj: Json, key: str) -> str:
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(key, ""))
