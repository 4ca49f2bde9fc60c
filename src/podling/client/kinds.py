"""Where a received object's typed view comes from.

A kind's file is named as the kind, in the folder of its group's first word, so it is found without a table; kinds
without a file have the view that all objects have.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from podling.api.kinds.meta import ObjectMeta


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """The view of a kind that has no file of its own: what all objects have."""

    metadata: ObjectMeta = ObjectMeta()


class KindFacts(NamedTuple):
    """How the view is decoded, and the values of the kind's selectable fields."""

    decode: Callable[[bytes], Any]
    fields: Callable[[dict[str, Any]], Mapping[str, str]]


def no_fields(_: dict[str, Any]) -> Mapping[str, str]:
    return {}


UNKNOWN = KindFacts(msgspec.json.Decoder(Metadata).decode, no_fields)


def facts_of(group: str, kind: str) -> KindFacts:
    """The facts of a kind of the group, e.g. ("apps", "ReplicaSet")."""
    folder = group.partition(".")[0] or "core"
    try:
        module = importlib.import_module(f"podling.api.kinds.{folder}.{kind.lower()}")
    except ModuleNotFoundError:
        return UNKNOWN
    declared = getattr(module, "KIND", None)
    return KindFacts(declared.decode, declared.fields) if declared is not None else UNKNOWN
