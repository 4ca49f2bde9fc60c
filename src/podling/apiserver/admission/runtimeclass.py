"""RuntimeClass: what a way of running containers costs besides them, and which nodes can do it, comes to its Pods.

(Kubernetes documentation, "Runtime Class", "Pod Overhead".)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api import quantity
from podling.api.errors import Forbidden, forbidden
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]


class RuntimeClass:
    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        found = self._found(attempt)
        if found is None:
            return
        spec = attempt.obj["spec"]
        if overhead := (found.get("overhead") or {}).get("podFixed"):
            if spec.get("overhead") and not _same(spec["overhead"], overhead):
                raise _no(attempt, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec["overhead"] = dict(overhead)
        scheduling = found.get("scheduling") or {}
        self._place(attempt, spec, scheduling.get("nodeSelector") or {})
        tolerations = list(spec.get("tolerations") or ())
        tolerations += [each for each in scheduling.get("tolerations") or () if each not in tolerations]
        if tolerations:
            spec["tolerations"] = tolerations

    async def validate(self, attempt: Attempt) -> None:
        """An overhead is the class's alone. Raises Forbidden."""
        said = (attempt.obj.get("spec") or {}).get("overhead") or {}
        found = self._found(attempt)
        if not said and found is None:
            return
        defined = ((found or {}).get("overhead") or {}).get("podFixed") or {}
        if said and not defined:
            raise _no(attempt, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
        if not _same(said, defined):
            raise _no(attempt, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

    def _found(self, attempt: Attempt) -> Json | None:
        name = (attempt.obj.get("spec") or {}).get("runtimeClassName")
        if not name:
            return None
        found = self._cache.get(key_of("node.k8s.io", "runtimeclasses", "", name))
        if found is None:
            raise _no(attempt, f'pod rejected: RuntimeClass "{name}" not found')
        return found.json()

    @staticmethod
    def _place(attempt: Attempt, spec: Json, selector: Mapping[str, str]) -> None:
        given = spec.get("nodeSelector") or {}
        for key, value in sorted(selector.items()):
            if given.get(key, value) != value:
                pair = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}]"
                raise _no(attempt, f"conflict: {pair} = {given[key]}")
        if selector:
            spec["nodeSelector"] = {**given, **selector}


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    amounts = [{name: quantity.of(text) for name, text in each.items()} for each in (one, other)]
    return amounts[0] == amounts[1]


def _no(attempt: Attempt, why: str) -> Forbidden:
    return forbidden("pods", attempt.obj["metadata"].get("name", ""), why)
