"""The parameters of a policy: objects of a kind it names, chosen by each of its bindings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podling.api import labels
from podling.apiserver.registry.served import Resources, Served
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]


class NoParams(Exception):
    """A binding cannot be used; the text says why."""


class Params:
    def __init__(self, cache: WatchCache, resources: Resources) -> None:
        self._cache, self._resources = cache, resources

    def collect(
        self, kind: Mapping[str, str] | None, ref: Mapping[str, Any] | None, namespace: str
    ) -> Sequence[Json | None]:
        """One evaluation for each; [None]: one without parameters. `namespace`: of what is written. Raises NoParams."""
        if kind is None or ref is None:
            return [None]
        served = self.served(kind)
        if served is None:
            version = kind.get("apiVersion", "")
            raise NoParams(f"paramKind kind `{version}, Kind={kind.get('kind', '')}` not known")
        found = self._found(served, ref, _namespace(served, ref, namespace))
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise NoParams("no params found for policy binding with `Deny` parameterNotFoundAction")
        return found

    def served(self, kind: Mapping[str, str]) -> Served | None:
        """The resource of a paramKind."""
        group, _, version = kind.get("apiVersion", "").rpartition("/")
        return self._resources.of_kind(group, version, kind.get("kind", ""))

    def _found(self, served: Served, ref: Mapping[str, Any], namespace: str) -> list[Json | None]:
        if name := ref.get("name"):
            obj = self._cache.get(served.key(namespace, name))
            return [] if obj is None else [served.json(obj)]
        selector = labels.of(ref.get("selector") or {})
        objects = self._cache.list(served.prefix(namespace))
        return [served.json(obj) for obj in objects if selector.matches(obj.head.labels)]


def _namespace(served: Served, ref: Mapping[str, Any], namespace: str) -> str:
    said = str(ref.get("namespace") or "")
    if not served.entry.namespaced:
        if said:
            raise NoParams("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not (said or namespace):
        raise NoParams("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return said or namespace
