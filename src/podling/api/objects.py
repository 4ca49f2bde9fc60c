"""An object of the API as everybody in the process shares it: its bytes, its head, its typed view.

Bytes are what the store holds (DESIGN 4): the JSON of the object in its stored version *without* resourceVersion,
which is spliced in on the way out. The head holds what selectors and indexes need. The view (DESIGN 5) is decoded
once, on first use, and shared by all readers; it is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
import orjson


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is known of an object without decoding it: for selectors, indexes and garbage collection."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    fields: Mapping[str, str]
    """The values of the kind's own selectable fields, by path (`spec.nodeName`)."""
    owners: tuple[str, ...] = ()
    """uids of the ownerReferences; the controller's first."""
    deleting: bool = False


@lru_cache(maxsize=256)
def shared(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One mapping for all that are equal: the Pods of a ReplicaSet have the same labels and nearly the same fields."""
    return dict(items)


class Object:
    """One revision of one object. Equal keys and revisions mean equal content; never changed after birth."""

    __slots__ = ("_decode", "_view", "head", "key", "raw", "revision")

    def __init__(self, key: str, raw: bytes, revision: int, head: Head, decode: Callable[[bytes], Any]) -> None:
        """`raw`: stored JSON without resourceVersion. `decode` makes the typed view of it. Revision 0 is that of an
        object which was never stored (a dry run's): it is shown without one."""
        self.key, self.raw, self.revision, self.head = key, raw, revision, head
        self._decode = decode
        self._view: Any = None

    @property
    def view(self) -> Any:
        """The kind's msgspec struct, frozen; its metadata.resource_version is empty (see `revision`)."""
        if self._view is None:
            self._view = self._decode(self.raw)
        return self._view

    def json(self) -> dict[str, Any]:
        """A fresh decoded copy, the caller's own, with resourceVersion."""
        out: dict[str, Any] = orjson.loads(self.raw)
        metadata = out.setdefault("metadata", {})
        if self.revision:
            metadata["resourceVersion"] = str(self.revision)
        return out

    def served(self) -> bytes:
        """The JSON with resourceVersion spliced in: the encoder writes `"metadata":{` and never an empty one."""
        if not self.revision:
            return self.raw
        out = self.raw.replace(b'"metadata":{', b'"metadata":{"resourceVersion":"%d",' % self.revision, 1)
        if len(out) == len(self.raw):
            raise ValueError(f"{self.key}: stored value has no metadata")
        return out

    def at(self, revision: int) -> Object:
        """The same state under another revision: what a watcher is told of an object that left its selection."""
        return Object(self.key, self.raw, revision, self.head, self._decode)

    def __repr__(self) -> str:
        return f"Object({self.key!r}, revision={self.revision})"


EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class Event(msgspec.Struct, frozen=True):
    """One committed change. `object` is the new state; on DELETED the last state at the revision of the deletion."""

    type: EventType
    object: Object
    previous: Object | None = None


def key_of(group: str, plural: str, namespace: str, name: str) -> str:
    """The store's key: `core/pods/default/x`; without namespace for cluster-scoped kinds; "core" is the empty group."""
    return f"{prefix_of(group, plural, namespace)}{name}"


def prefix_of(group: str, plural: str, namespace: str = "") -> str:
    """The prefix of all objects of a resource, or of those of one namespace; ends in a slash."""
    prefix = f"{group or 'core'}/{plural}/"
    return f"{prefix}{namespace}/" if namespace else prefix
