"""Where objects are found without a scan: by an owner's uid, by the value of an indexed field."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from podling.api.objects import Object

T = TypeVar("T", bound=Hashable)


class Indexes:
    """Sets of keys, answered sorted. An owner is looked up among the objects of all resources."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._fields = fields
        self._owned: dict[str, set[str]] = {}
        self._having: dict[tuple[str, str, str], set[str]] = {}

    def add(self, found: Object) -> None:
        for uid in found.head.owners:
            self._owned.setdefault(uid, set()).add(found.key)
        for entry in self._entries(found):
            self._having.setdefault(entry, set()).add(found.key)

    def remove(self, found: Object) -> None:
        for uid in found.head.owners:
            _discard(self._owned, uid, found.key)
        for entry in self._entries(found):
            _discard(self._having, entry, found.key)

    def owned(self, uid: str) -> Sequence[str]:
        return sorted(self._owned.get(uid, ()))

    def having(self, resource: str, field: str, value: str) -> Sequence[str]:
        return sorted(self._having.get((resource, field, value), ()))

    def _entries(self, found: Object) -> list[tuple[str, str, str]]:
        fields = found.head.fields
        if not fields:
            return []
        named = [field for field in self._fields if fields.get(field)]
        if not named:
            return []
        resource = "/".join(found.key.split("/", 2)[:2]) + "/"
        return [(resource, field, fields[field]) for field in named]


def _discard(index: dict[T, set[str]], entry: T, key: str) -> None:
    keys = index.get(entry)
    if keys is not None:
        keys.discard(key)
        if not keys:
            del index[entry]
