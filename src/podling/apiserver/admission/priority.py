"""A Pod's priority comes from its class: the two built-in ones, a PriorityClass object, or the global default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from podling.api.errors import forbidden
from podling.api.objects import key_of, prefix_of
from podling.storage.watchcache import WatchCache

if TYPE_CHECKING:
    from podling.apiserver.admission.chain import Attempt

GROUP = "scheduling.k8s.io"
PREEMPT = "PreemptLowerPriority"


class Priority:
    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    def __init__(self, cache: WatchCache, builtin: Mapping[str, int]) -> None:
        self._cache, self._builtin = cache, builtin

    async def admit(self, attempt: Attempt) -> None:
        pod = attempt.obj
        spec = pod.get("spec") or {}
        name = spec.get("priorityClassName", "")
        value, policy = 0, PREEMPT
        if name in self._builtin:
            value = self._builtin[name]
        elif name:
            found = self._cache.get(key_of(GROUP, "priorityclasses", "", name))
            if found is None:
                raise forbidden("pods", pod["metadata"].get("name", ""), f"no PriorityClass with name {name} was found")
            value, policy = _of(found.json())
        elif default := self._default():
            spec["priorityClassName"] = default["metadata"]["name"]
            value, policy = _of(default)
        spec["priority"] = value
        spec.setdefault("preemptionPolicy", policy)

    def _default(self) -> dict[str, Any] | None:
        classes = [obj.json() for obj in self._cache.list(prefix_of(GROUP, "priorityclasses"))]
        defaults = [each for each in classes if each.get("globalDefault")]
        return min(defaults, key=lambda each: each.get("value", 0)) if defaults else None


def _of(found: Mapping[str, Any]) -> tuple[int, str]:
    return found.get("value", 0), found.get("preemptionPolicy") or PREEMPT
