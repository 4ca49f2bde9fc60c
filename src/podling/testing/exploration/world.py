"""The objects of a simulated cluster as the rules see them: JSON by resource and key, with some of their past."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from podling.api.objects import Event

Json = dict[str, Any]

ENDED = ("Succeeded", "Failed")
EVICTED = "EvictionByEvictionAPI"
PREEMPTED = "PreemptionByScheduler"
UNSCHEDULABLE: Final[Json] = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Loss(msgspec.Struct, frozen=True):
    """A ready Pod is ready no more: it was `evicted`, `deleted` for no reason told, or fell to something else
    (`otherwise`: its node is lost, it was preempted …)."""

    at: float
    pod: Json
    how: Literal["evicted", "deleted", "otherwise"]


class World:
    """Fed with every committed change, in order."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Json]] = {}
        self._wanted: dict[str, list[tuple[float, int]]] = {}
        self._losses: list[Loss] = []
        self._repelling: dict[str, list[tuple[float, Json]]] = {}
        self._nodes_changed: dict[str, float] = {}
        self._last_ready: dict[tuple[str, str], float] = {}
        self._first_ready: dict[str, float] = {}
        self._succeeded: dict[str, dict[str, None]] = {}
        self._gone: list[tuple[float, int]] = []
        self.may_orphan: dict[tuple[str, str, str], None] = {}
        """(resource, namespace, name) of what a user deleted so that it leaves what it owns."""

    def apply(self, now: float, event: Event) -> tuple[Json | None, Json | None]:
        """The object before and after (None: it was or is not there)."""
        key = event.object.key
        held = self._objects.setdefault("/".join(key.split("/", 2)[:2]), {})
        before = held.pop(key, None)
        if event.type == "DELETED":
            after = None
        else:
            after = held[key] = event.object.json()
            replicas = (after.get("spec") or {}).get("replicas")
            if isinstance(replicas, int):
                past = self._wanted.setdefault(after["metadata"]["uid"], [])
                if not past or past[-1][1] != replicas:
                    past.append((now, replicas))
        kind = (before or after or {}).get("kind")
        if kind == "Pod":
            self._note_pod(now, before, after)
        elif kind == "Node":
            self._note_node(now, event.object.head.name, before, after)
        return before, after

    def _note_pod(self, now: float, before: Json | None, after: Json | None) -> None:
        if before is not None and ready(before):
            self._last_ready[before["metadata"].get("namespace", ""), before["metadata"]["name"]] = now
            if after is None or not ready(after):
                self._losses.append(Loss(now, before, _how(after)))
        if after is not None and ready(after) and not (before is not None and ready(before)):
            self._first_ready[after["metadata"]["uid"]] = now
        if before is not None and after is None:
            self._gone.append((now, priority(before)))
        if after is not None and after.get("status", {}).get("phase") == "Succeeded" and not terminating(after):
            uid = controller_of(after).get("uid", "")
            self._succeeded.setdefault(uid, {})[after["metadata"]["uid"]] = None

    def _note_node(self, now: float, name: str, before: Json | None, after: Json | None) -> None:
        spec = (after or {}).get("spec", {})
        repelling = [each for each in spec.get("taints") or () if each["effect"] != "PreferNoSchedule"]
        if spec.get("unschedulable") and not any(same_taint(each, UNSCHEDULABLE) for each in repelling):
            repelling.append(UNSCHEDULABLE)
        known = self._repelling.get(name, [])
        lasting = [next((old for old in known if same_taint(old[1], taint)), (now, taint)) for taint in repelling]
        if before is None or after is None or lasting != known:
            self._nodes_changed[name] = now
        self._repelling[name] = lasting

    def losses(self, selector: Json, since: float) -> list[Loss]:
        """Of Pods of a selector, since then."""
        return [each for each in self._losses if each.at >= since and labelled(each.pod, selector)]

    def disturbed(self, selector: Json, since: float) -> bool:
        """Whether ready Pods of a selector were lost since then that no controller of theirs took away."""
        return any(each.how != "deleted" for each in self.losses(selector, since))

    def was_ready(self, namespace: str, name: str, since: float) -> bool:
        """Whether the Pod of this name is ready or was since then."""
        pod = self.get("core/pods", namespace, name)
        return (pod is not None and ready(pod)) or self._last_ready.get((namespace, name), -math.inf) >= since

    def ready_since(self, pod: Json) -> float:
        """When a Pod became ready the last time."""
        return self._first_ready.get(pod["metadata"]["uid"], math.inf)

    def outranked(self, pod: Json, since: float) -> bool:
        """Whether some Pod that matters more is there or was since then."""
        most = max(map(priority, self.all("core/pods")), default=0)
        return max([most, *(rank for at, rank in self._gone if at >= since)]) > priority(pod)

    def repelling(self, node: str, since: float = math.inf) -> list[Json]:
        """The taints that a node has had all the time since then (a cordon is one, too)."""
        return [taint for began, taint in self._repelling.get(node, ()) if began <= since]

    def settled_nodes(self, since: float) -> list[str]:
        """The nodes that have been there since then and repelled the same all the time."""
        names = [each["metadata"]["name"] for each in self.all("core/nodes")]
        return [name for name in names if self._nodes_changed[name] <= since]

    def succeeded(self, uid: str) -> int:
        """How many Pods of an owner ever succeeded."""
        return len(self._succeeded.get(uid, ()))

    def all(self, resource: str) -> list[Json]:
        """Of `apps/replicasets` and the like, in order of keys."""
        return [obj for _, obj in self.held(resource)]

    def held(self, resource: str) -> list[tuple[str, Json]]:
        """The objects of a resource with their keys."""
        return sorted(self._objects.get(resource, {}).items())

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

    def rescaled(self, uid: str, since: float) -> float | None:
        """When another number of replicas was asked for the first time after `since`."""
        return next((begin for begin, _ in self._wanted.get(uid, [])[1:] if begin > since), None)


def _how(after: Json | None) -> Literal["evicted", "deleted", "otherwise"]:
    if after is None or not terminating(after):
        return "otherwise"
    reason = condition(after, "DisruptionTarget").get("reason")
    return "evicted" if reason == EVICTED else "otherwise" if reason else "deleted"


def same_taint(one: Json, other: Json) -> bool:
    return bool(one["key"] == other["key"] and one["effect"] == other["effect"])


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


def holds(obj: Json, kind: str) -> bool:
    return condition(obj, kind).get("status") == "True"


def ready(pod: Json) -> bool:
    return active(pod) and holds(pod, "Ready")


def unplaced(pod: Json) -> bool:
    """Nobody found a node for it."""
    return not pod["spec"].get("nodeName") and condition(pod, "PodScheduled").get("status") == "False"


def labelled(obj: Json, selector: Json) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in selector.items())


def tolerates(pod: Json, taint: Json) -> bool:
    for each in pod["spec"].get("tolerations") or ():
        key = not each.get("key") or each["key"] == taint["key"]
        effect = not each.get("effect") or each["effect"] == taint["effect"]
        value = each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", "")
        if key and effect and value:
            return True
    return False


def share(value: int | str, total: int, *, up: bool) -> int:
    """An IntOrString of a strategy as a number of Pods."""
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if up else math.floor(exact)


def priority(pod: Json) -> int:
    return int(pod["spec"].get("priority", 0))


def cpu(pod: Json) -> float:
    """The cores a Pod requests."""
    return sum(_cores(each) for each in _containers(pod))


def _containers(pod: Json) -> Iterator[str]:
    for container in pod["spec"]["containers"]:
        if quantity := container.get("resources", {}).get("requests", {}).get("cpu"):
            yield quantity


def _cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
