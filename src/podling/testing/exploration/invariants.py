"""What must hold in every moment of every history, whatever fails; each rule is one function that finds fault or not.

A rule sees one committed change and the world right after it. Controllers act on what they know, so a number that was
asked for a short while ago still excuses them (`LAG`); where nobody can know in time (a node is lost while a rollout
counts on it), the rule is not asked (`Plan.nodes_stay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podling.api.objects import Event
from podling.testing.exploration.plan import Plan
from podling.testing.exploration.world import (
    EVICTED,
    World,
    active,
    condition,
    controller_of,
    cpu,
    labelled,
    ready,
    share,
    terminating,
)

Json = dict[str, Any]

LAG = 30.0
"""Seconds in which a change has reached everybody, lost watches and all."""
CPU = 8.0

Rule = Callable[[World, float, Json | None, Json | None], Iterator[str]]


class Watchman:
    """`violations` are sentences, in the order in which they were found; each once."""

    def __init__(self, plan: Plan) -> None:
        self.world = World()
        self.violations: list[str] = []
        self._rules: tuple[Rule, ...] = (*_ALWAYS, *(_WHERE_NODES_STAY if plan.nodes_stay else ()))

    def observe(self, now: float, event: Event) -> None:
        before, after = self.world.apply(now, event)
        resource = "/".join(event.object.key.split("/", 2)[:2])
        if resource == "core/pods":
            for rule in self._rules:
                for fault in rule(self.world, now, before, after):
                    self._add(f"{now:.3f} s: {fault}")

    def running(self, now: float, sandboxes: dict[str, list[str]]) -> None:
        """What runs on which nodes, by namespace and name: a Pod of a StatefulSet runs once."""
        for pod, nodes in sandboxes.items():
            namespace, _, name = pod.partition("/")
            found = self.world.get("core/pods", namespace, name)
            stateful = found is not None and controller_of(found).get("kind") == "StatefulSet"
            if stateful and len(nodes) > 1:
                self._add(f"{now:.3f} s: {pod} runs on {' and '.join(nodes)} at once")

    def _add(self, fault: str) -> None:
        if fault not in self.violations:
            self.violations.append(fault)


def _born(before: Json | None, after: Json | None) -> bool:
    return before is None and after is not None


def no_more_pods_than_asked_for(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A ReplicaSet never has more Pods than it was told to have."""
    if after is None or not _born(before, after) or (owner := world.owner(after, "apps/replicasets")) is None:
        return
    uid = owner["metadata"]["uid"]
    have, may = len([pod for pod in world.owned("core/pods", uid) if active(pod)]), max(world.wanted(uid, now - LAG))
    if have > may:
        yield f"ReplicaSet {owner['metadata']['name']} has {have} Pods, asked for were at most {may}"


def never_above_max_surge(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A Deployment never has more than maxSurge above what is asked for; a Pod that its ReplicaSet is to take away
    already does not count."""
    if after is None or not _born(before, after) or (deployment := _deployment(world, after)) is None:
        return
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {"maxSurge": 0}
    uid = deployment["metadata"]["uid"]
    may = max(wanted + share(rolling["maxSurge"], wanted, up=True) for wanted in world.wanted(uid, now - LAG))
    have = sum(
        min(each["spec"]["replicas"], len([*filter(active, world.owned("core/pods", each["metadata"]["uid"]))]))
        for each in world.owned("apps/replicasets", uid)
    )
    if have > may:
        yield f"Deployment {deployment['metadata']['name']} has {have} Pods, at most {may} are allowed"


def never_below_max_unavailable(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """No controller takes a ready Pod away that its Deployment needs."""
    if before is None or not ready(before) or (after is not None and not terminating(after)):
        return
    replica_set = world.owner(before, "apps/replicasets")
    deployment = _deployment(world, before)
    if deployment is None or replica_set is None or terminating(deployment) or terminating(replica_set):
        return
    if (rolling := deployment["spec"]["strategy"].get("rollingUpdate")) is None:
        return
    uid = deployment["metadata"]["uid"]
    allowed = []
    for wanted in world.wanted(uid, now - LAG):
        surge = share(rolling["maxSurge"], wanted, up=True)
        unavailable = share(rolling["maxUnavailable"], wanted, up=False)
        # Both may round to nothing; a rollout could then not begin.
        allowed.append(wanted - (unavailable or (0 if surge else 1)))
    have, must = len([pod for pod in _pods_of(world, uid) if ready(pod)]), min(allowed)
    if have < must:
        yield f"Deployment {deployment['metadata']['name']} is left with {have} ready Pods, it needs {must}"


def ordinals_begin_in_order(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """An ordered StatefulSet begins a Pod when all before it are ready."""
    if after is None or not _born(before, after) or (owner := world.owner(after, "apps/statefulsets")) is None:
        return
    if owner["spec"].get("podManagementPolicy") != "OrderedReady":
        return
    name, _, ordinal = after["metadata"]["name"].rpartition("-")
    for number in range(int(ordinal)):
        pod = world.get("core/pods", after["metadata"]["namespace"], f"{name}-{number}")
        if pod is None or condition(pod, "Ready").get("status") != "True":
            yield f"{after['metadata']['name']} was made before {name}-{number} was ready"


def nobody_is_bound_to_a_full_node(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if after is None or not (node := _bound_now(before, after)):
        return
    there = [pod for pod in world.all("core/pods") if pod["spec"].get("nodeName") == node and _takes_room(pod)]
    if (taken := sum(map(cpu, there))) > CPU:
        yield f"{after['metadata']['name']} was bound to {node}, where {taken:g} of {CPU:g} cores are taken"


def nobody_is_bound_to_a_tainted_node(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if after is None or not (name := _bound_now(before, after)):
        return
    node = world.get("core/nodes", "", name)
    for taint in (node or {}).get("spec", {}).get("taints") or ():
        old = now - _since(node or {}) > LAG
        if old and taint["effect"] != "PreferNoSchedule" and not _tolerates(after, taint):
            yield f"{after['metadata']['name']} was bound to {name}, which has the taint {taint['key']}"


def quota_is_never_exceeded(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """Pods on their way out are left aside: those whose time is over, on a node that is lost, count no more."""
    if after is None or not _born(before, after):
        return
    for quota in world.all("core/resourcequotas"):
        hard = int(quota["spec"]["hard"]["pods"])
        if (have := len([*filter(active, world.all("core/pods"))])) > hard and _settled(quota, hard):
            yield f"{have} Pods where the quota allows {hard}"


def evictions_leave_what_the_budget_needs(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if before is None or after is None or not ready(before) or not terminating(after):
        return
    if condition(after, "DisruptionTarget").get("reason") != EVICTED:
        return
    for budget in world.all("policy/poddisruptionbudgets"):
        selector = budget["spec"]["selector"]["matchLabels"]
        if not labelled(after, selector) or world.lost(selector, now - LAG):
            continue  # what went by other ways is not yet told to the budget
        left = len([pod for pod in world.all("core/pods") if labelled(pod, selector) and ready(pod)])
        if left < budget["spec"]["minAvailable"]:
            yield (
                f"{after['metadata']['name']} was evicted, {left} are left ready of {budget['spec']['minAvailable']} "
                f"that the budget {budget['metadata']['name']} needs"
            )


def _deployment(world: World, pod: Json) -> Json | None:
    replica_set = world.owner(pod, "apps/replicasets")
    return None if replica_set is None else world.owner(replica_set, "apps/deployments")


def _pods_of(world: World, uid: str) -> list[Json]:
    sets = {each["metadata"]["uid"] for each in world.owned("apps/replicasets", uid)}
    return [pod for pod in world.all("core/pods") if controller_of(pod).get("uid") in sets and active(pod)]


def _bound_now(before: Json | None, after: Json) -> str:
    node: str = after["spec"].get("nodeName", "")
    return node if before is None or before["spec"].get("nodeName", "") != node else ""


def _takes_room(pod: Json) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _settled(quota: Json, hard: int) -> bool:
    """Its controller has counted: a quota that is made when there are more Pods already is exceeded from birth."""
    status = quota.get("status") or {}
    return int(status.get("used", {}).get("pods", hard + 1)) <= hard


def _since(node: Json) -> float:
    """When the test tainted the node, on the loop's clock; nodes' own taints are never old."""
    return float((node.get("metadata", {}).get("annotations") or {}).get("simulated/tainted-at", "inf"))


def _tolerates(pod: Json, taint: Json) -> bool:
    for each in pod["spec"].get("tolerations") or ():
        key = not each.get("key") or each["key"] == taint["key"]
        effect = not each.get("effect") or each["effect"] == taint["effect"]
        value = each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", "")
        if key and effect and value:
            return True
    return False


_ALWAYS: tuple[Rule, ...] = (
    evictions_leave_what_the_budget_needs,
    no_more_pods_than_asked_for,
    never_above_max_surge,
    nobody_is_bound_to_a_full_node,
    nobody_is_bound_to_a_tainted_node,
    quota_is_never_exceeded,
)
_WHERE_NODES_STAY: tuple[Rule, ...] = (never_below_max_unavailable, ordinals_begin_in_order)
