"""Objects of one resource with the indexes that everybody asks: owner, namespace, node, labels.

Kept incrementally, one small change per event, so that no controller ever scans (DESIGN 6). All buckets are dicts:
their order is that of arrival and the same in every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from podling.api.objects import Object

IndexFunction = Callable[[Object], Iterable[str]]
Objects = list[Object]


class Lister(Protocol):
    """The reading face of an informer: what was last seen, never a request."""

    @property
    def revision(self) -> int:
        """Everything up to this revision has been seen."""

    def by_key(self, key: str) -> Object | None:
        """By the store's key, e.g. `core/pods/default/x`."""

    def get(self, namespace: str, name: str) -> Object | None: ...

    def list(self, namespace: str = "") -> Objects: ...

    def owned(self, uid: str) -> Objects:
        """Objects with an ownerReference (controlling or not) to this uid."""

    def on_node(self, node: str) -> Objects:
        """Pods whose spec.nodeName is `node`; "" for those without one."""

    def selected(self, namespace: str, labels: Mapping[str, str]) -> Objects:
        """Objects of a namespace that carry all these labels; an empty mapping selects all of them."""

    def indexed(self, index: str, value: str) -> Objects:
        """By an index of the caller's own."""


class Indexed:
    """The objects and their indexes; a `Lister` without a revision of its own."""

    def __init__(self, indexes: Mapping[str, IndexFunction] | None = None, owners: Counter[str] | None = None) -> None:
        """`owners` is kept up with the uids that objects name as their owners, for many resources together."""
        self._owners: Counter[str] = Counter() if owners is None else owners
        self._objects: dict[str, Object] = {}
        self._names: dict[tuple[str, str], Object] = {}
        self._own = dict(indexes or {})
        self._buckets: dict[tuple[str, ...], dict[str, Object]] = {}
        self._labelled = False

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, new: Object) -> Object | None:
        """Store a revision, return the one it replaces."""
        old = self._objects.get(new.key)
        if old is not None:
            self._unlink(old, keep=set(self._terms(new)))
        if new.head.owners:
            self._owners.update(new.head.owners)
        self._objects[new.key] = new
        self._names[new.head.namespace, new.head.name] = new
        for term in self._terms(new):
            self._buckets.setdefault(term, {})[new.key] = new
        return old

    def remove(self, key: str) -> Object | None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._names.pop((old.head.namespace, old.head.name), None)
            self._unlink(old, keep=set())
        return old

    def keys(self) -> list[str]:
        return list(self._objects)

    def by_key(self, key: str) -> Object | None:
        return self._objects.get(key)

    def get(self, namespace: str, name: str) -> Object | None:
        return self._names.get((namespace, name))

    def list(self, namespace: str = "") -> Objects:
        return self._bucket("namespace", namespace) if namespace else [*self._objects.values()]

    def owned(self, uid: str) -> Objects:
        return self._bucket("owner", uid)

    def on_node(self, node: str) -> Objects:
        return self._bucket("node", node)

    def selected(self, namespace: str, labels: Mapping[str, str]) -> Objects:
        if not labels:
            return self.list(namespace)
        if not self._labelled:
            self._index_labels()
        buckets = [self._buckets.get(("label", namespace, key, value), {}) for key, value in labels.items()]
        if len(buckets) == 1:
            return [*buckets[0].values()]
        smallest = min(buckets, key=len)
        return [found for key, found in smallest.items() if all(key in bucket for bucket in buckets)]

    def indexed(self, index: str, value: str) -> Objects:
        return self._bucket("own", index, value)

    def _bucket(self, *term: str) -> Objects:
        return [*self._buckets.get(term, {}).values()]

    def _terms(self, of: Object) -> Iterable[tuple[str, ...]]:
        head = of.head
        yield ("namespace", head.namespace)
        for uid in head.owners:
            yield ("owner", uid)
        if self._labelled:
            yield from _label_terms(of)
        if "spec.nodeName" in head.fields:
            yield ("node", head.fields["spec.nodeName"])
        for name, function in self._own.items():
            for value in function(of):
                yield ("own", name, value)

    def _index_labels(self) -> None:
        """From the first question on: of most resources nobody ever asks by labels."""
        self._labelled = True
        for found in self._objects.values():
            for term in _label_terms(found):
                self._buckets.setdefault(term, {})[found.key] = found

    def owns(self, uid: str) -> bool:
        """Whether any object names it as an owner."""
        return uid in self._owners

    def _unlink(self, old: Object, keep: set[tuple[str, ...]]) -> None:
        for uid in old.head.owners:
            self._owners[uid] -= 1
            if not self._owners[uid]:
                del self._owners[uid]
        for term in self._terms(old):
            if term in keep:
                continue
            bucket = self._buckets.get(term)
            if bucket is not None:
                bucket.pop(old.key, None)
                if not bucket:
                    del self._buckets[term]


def _label_terms(of: Object) -> Iterable[tuple[str, ...]]:
    namespace = of.head.namespace
    for key, value in of.head.labels.items():
        yield ("label", namespace, key, value)
