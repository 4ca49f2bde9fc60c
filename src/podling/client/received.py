"""Objects made from JSON that came over a socket.

In-process the watch cache hands out its own `Object`s; a component behind a socket builds equal ones from what it
received: raw without resourceVersion and with metadata in front (so that `served()` can splice it in again), the
head with what indexes need, the view of the kind where Podling has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api.errors import InternalError, from_status
from podling.api.objects import Event, Head, Object, key_of, shared
from podling.client.kinds import UNKNOWN, KindFacts, facts_of
from podling.client.transport import Resource

_NOTHING: Mapping[str, str] = {}
_encode = msgspec.json.Encoder().encode


def head_of(metadata: Mapping[str, Any], fields: Mapping[str, str]) -> Head:
    owners = metadata.get("ownerReferences") or ()
    ordered = sorted(owners, key=lambda owner: not owner.get("controller"))
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    return Head(
        namespace=namespace,
        name=name,
        uid=metadata.get("uid", ""),
        labels=shared(tuple((metadata.get("labels") or _NOTHING).items())),
        fields=shared(tuple(fields.items())),
        owners=tuple(owner.get("uid", "") for owner in ordered),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


class Receiver:
    """Builds the objects of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._api_version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        self._facts: dict[str, KindFacts] = {}

    def object(self, raw: msgspec.Raw | bytes, kind: str = "") -> Object:
        """`raw`: the served JSON of one object; an item of a typed list may lack its kind, which is then `kind`."""
        value: dict[str, Any] = msgspec.json.decode(raw)
        kind = value.pop("kind", "") or kind
        api_version = value.pop("apiVersion", "") or self._api_version
        metadata = value.pop("metadata", None) or {}
        revision = int(metadata.pop("resourceVersion", "") or 0)
        facts = self._facts.get(kind)
        if facts is None:
            facts = self._facts[kind] = facts_of(self._resource.group, kind) if kind else UNKNOWN
        stored = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **value}
        head = head_of(metadata, facts.fields(stored))
        key = key_of(self._resource.group, self._resource.plural, head.namespace, head.name)
        return Object(key, _encode(stored), revision, head, facts.decode)


class ReceivedList(msgspec.Struct):
    """A list as it came, its items not read yet; `item_kind` is what they are where they do not say so."""

    kind: str = ""
    metadata: dict[str, Any] = {}
    items: list[msgspec.Raw] | None = None

    @property
    def item_kind(self) -> str:
        return self.kind.removesuffix("List")

    @property
    def revision(self) -> int:
        return int(self.metadata.get("resourceVersion") or 0)


class _WatchEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


decode_list = msgspec.json.Decoder(ReceivedList).decode
_decode_event = msgspec.json.Decoder(_WatchEvent).decode


def received_event(line: bytes, receiver: Receiver) -> Event:
    """One line of a watch. Raises what an ERROR event says (Expired where history is gone)."""
    event = _decode_event(line)
    match event.type:
        case "ADDED" | "MODIFIED" | "DELETED":
            return Event(event.type, receiver.object(event.object))
        case "BOOKMARK":
            return Event("BOOKMARK", bookmark(event.object))
        case "ERROR":
            raise from_status(msgspec.json.decode(event.object), 500)
        case other:
            raise InternalError(f"a watch event of the unknown type {other!r}")


def bookmark(raw: msgspec.Raw | bytes) -> Object:
    """An object of nothing but a revision."""
    metadata = msgspec.json.decode(raw).get("metadata") or {}
    head = Head(namespace="", name="", uid="", labels={}, fields={})
    return Object("", b'{"metadata":{"name":""}}', int(metadata.get("resourceVersion") or 0), head, UNKNOWN.decode)
