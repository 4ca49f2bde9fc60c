"""A Pod's priority comes from its class: the two built-in ones, a PriorityClass object, or the global default.

Nobody sets the number himself, and only one class is the default (Kubernetes documentation, "Pod Priority and
Preemption").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.errors import Forbidden, forbidden
from podling.api.objects import Event, key_of, prefix_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
GROUP = "scheduling.k8s.io"
PREEMPT = "PreemptLowerPriority"
_DEFAULT = b'"globalDefault":true'


class Priority:
    operations = ("CREATE", "UPDATE")
    kinds = (("", "Pod"), (GROUP, "PriorityClass"))

    def __init__(self, cache: WatchCache, builtin: Mapping[str, int]) -> None:
        self._cache, self._builtin = cache, builtin
        self._found: list[Json] | None = None
        cache.follow(prefix_of(GROUP, "priorityclasses"), self._changed)

    async def admit(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        if attempt.operation != "CREATE" or attempt.served.kind.kind != "Pod":
            return
        spec = attempt.obj.get("spec") or {}
        value, policy = self._of(attempt, spec)
        rest = "must not be provided in pod spec; priority admission controller computed"
        if (said := spec.get("priority")) not in (None, value):
            why = f"the integer value of priority ({said}) {rest} {value} from the given PriorityClass name"
            raise _no(attempt, why)
        if (wanted := spec.get("preemptionPolicy")) not in (None, policy):
            why = f"the string value of PreemptionPolicy ({wanted}) {rest} {policy} from the given PriorityClass name"
            raise _no(attempt, why)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden for a second default."""
        if attempt.served.kind.kind == "Pod" or not attempt.obj.get("globalDefault"):
            return
        name = attempt.obj["metadata"].get("name", "")
        for other in self._defaults():
            if (found := other["metadata"]["name"]) != name:
                why = f"PriorityClass {found} is already marked as default. Only one default can exist"
                raise forbidden("priorityclasses", name, why, GROUP)

    def _of(self, attempt: Attempt, spec: Json) -> tuple[int, str]:
        """(value, preemption policy); names the default class in the Pod."""
        name = spec.get("priorityClassName", "")
        if name in self._builtin:
            return self._builtin[name], PREEMPT
        if name:
            found = self._cache.get(key_of(GROUP, "priorityclasses", "", name))
            if found is None:
                raise _no(attempt, f"no PriorityClass with name {name} was found")
            return _of(found.json())
        if defaults := self._defaults():
            lowest = min(defaults, key=lambda each: each.get("value", 0))
            spec["priorityClassName"] = lowest["metadata"]["name"]
            return _of(lowest)
        return 0, PREEMPT

    def _changed(self, _: Event) -> None:
        self._found = None

    def _defaults(self) -> list[Json]:
        """Asked for every new Pod, and mostly there is none."""
        if self._found is None:
            found = [obj for obj in self._cache.list(prefix_of(GROUP, "priorityclasses")) if _DEFAULT in obj.raw]
            self._found = [each for each in (obj.json() for obj in found) if each.get("globalDefault")]
        return self._found


def _of(found: Mapping[str, Any]) -> tuple[int, str]:
    return found.get("value", 0), found.get("preemptionPolicy") or PREEMPT


def _no(attempt: Attempt, why: str) -> Forbidden:
    return forbidden("pods", attempt.obj["metadata"].get("name", ""), why)
