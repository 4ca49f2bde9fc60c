"""Heads of stored objects: what the watch cache keeps beside the bytes.

A key names its resource (`apps/replicasets/default/x`); the resource's declaration says which fields are selectable
and how the typed view is decoded. Keys under `internal/` are the server's own (claims, secrets) and have no head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from podling.api.catalog import Catalog
from podling.api.kinds.kind import Generic, Kind
from podling.api.objects import Head, shared
from podling.storage.watchcache import Description

INTERNAL = "internal/"
_NOTHING: Mapping[str, str] = {}


class Describer:
    """`describe(key, raw)` for the watch cache; custom kinds come and go."""

    def __init__(self, catalog: Catalog) -> None:
        self._builtin: Mapping[str, Kind] = {
            f"{entry.storage_group or 'core'}/{entry.hub_plural}": entry.declaration for entry in catalog.stored
        }
        self._kinds = self._builtin
        self._other = msgspec.json.Decoder(Generic).decode

    def __call__(self, key: str, raw: bytes) -> Description:
        return self.of(key, orjson.loads(raw))

    def of(self, key: str, obj: dict[str, Any]) -> Description:
        """Of the object that has just been encoded, whose labels nobody changes any more."""
        group, plural, _ = key.split("/", 2)
        kind = self._kinds.get(f"{group}/{plural}")
        if kind is None:
            return head_of(obj, {}), self._other
        return head_of(obj, kind.fields(obj)), kind.decode

    def declare(self, custom: Mapping[str, Kind]) -> None:
        """The custom kinds from now on, by `group/plural`."""
        self._kinds = {**custom, **self._builtin}


def head_of(obj: Mapping[str, Any], fields: Mapping[str, str]) -> Head:
    metadata = obj.get("metadata") or {}
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    owners = metadata.get("ownerReferences") or ()
    if len(owners) > 1:
        owners = sorted(owners, key=lambda owner: not owner.get("controller"))
    return Head(
        namespace=namespace,
        name=name,
        uid=metadata.get("uid", ""),
        labels=shared(tuple((metadata.get("labels") or _NOTHING).items())),
        fields=shared(tuple(fields.items())),
        owners=tuple(owner.get("uid", "") for owner in owners),
        deleting="deletionTimestamp" in metadata,
    )
