"""The objects of a simulated cluster as the invariants see them: JSON by resource and key, with some of their past."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from podling.api.objects import Event

Json = dict[str, Any]

ENDED = ("Succeeded", "Failed")
EVICTED = "EvictionByEvictionAPI"


class World:
    """Fed with every committed change, in order."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Json]] = {}
        self._wanted: dict[str, list[tuple[float, int]]] = {}
        self._losses: list[tuple[float, Json]] = []

    def apply(self, now: float, event: Event) -> tuple[Json | None, Json | None]:
        """The object before and after (None: it was or is not there)."""
        key = event.object.key
        held = self._objects.setdefault("/".join(key.split("/", 2)[:2]), {})
        before = held.pop(key, None)
        if event.type == "DELETED":
            self._note_loss(now, before, None)
            return before, None
        after = held[key] = event.object.json()
        self._note_loss(now, before, after)
        replicas = (after.get("spec") or {}).get("replicas")
        if isinstance(replicas, int):
            past = self._wanted.setdefault(after["metadata"]["uid"], [])
            if not past or past[-1][1] != replicas:
                past.append((now, replicas))
        return before, after

    def _note_loss(self, now: float, before: Json | None, after: Json | None) -> None:
        if before is None or before["kind"] != "Pod" or not ready(before) or (after is not None and ready(after)):
            return
        if after is None or condition(after, "DisruptionTarget").get("reason") != EVICTED:
            self._losses.append((now, before))

    def lost(self, selector: Json, since: float) -> bool:
        """Whether a ready Pod of a selector went away since then, other than by eviction."""
        return any(labelled(pod, selector) for when, pod in self._losses if when >= since)

    def all(self, resource: str) -> list[Json]:
        """Of `apps/replicasets` and the like, in order of keys."""
        return [obj for _, obj in sorted(self._objects.get(resource, {}).items())]

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        return self._objects.get(resource, {}).get(
            f"{resource}/{namespace}/{name}" if namespace else f"{resource}/{name}"
        )

    def owned(self, resource: str, uid: str) -> list[Json]:
        return [obj for obj in self.all(resource) if controller_of(obj).get("uid") == uid]

    def owner(self, obj: Json, resource: str) -> Json | None:
        reference = controller_of(obj)
        found = self.get(resource, obj["metadata"].get("namespace", ""), reference.get("name", ""))
        return found if found is not None and found["metadata"]["uid"] == reference.get("uid") else None

    def wanted(self, uid: str, since: float) -> list[int]:
        """Every number of replicas that was asked for at some moment after `since`."""
        past = self._wanted.get(uid, [])
        ends = [begin for begin, _ in past[1:]] + [math.inf]
        return [replicas for (_, replicas), end in zip(past, ends, strict=True) if end > since]


def controller_of(obj: Json) -> Json:
    return next((each for each in obj["metadata"].get("ownerReferences") or () if each.get("controller")), {})


def terminating(obj: Json) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def active(pod: Json) -> bool:
    """It counts: not ended and not on its way out."""
    return not terminating(pod) and pod.get("status", {}).get("phase") not in ENDED


def condition(obj: Json, kind: str) -> Json:
    conditions: list[Json] = obj.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def ready(pod: Json) -> bool:
    return active(pod) and condition(pod, "Ready").get("status") == "True"


def labelled(obj: Json, selector: Json) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in selector.items())


def share(value: int | str, total: int, *, up: bool) -> int:
    """An IntOrString of a strategy as a number of Pods."""
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if up else math.floor(exact)


def cpu(pod: Json) -> float:
    """The cores a Pod requests."""
    return sum(_cores(each) for each in _containers(pod))


def _containers(pod: Json) -> Iterator[str]:
    for container in pod["spec"]["containers"]:
        if quantity := container.get("resources", {}).get("requests", {}).get("cpu"):
            yield quantity


def _cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
