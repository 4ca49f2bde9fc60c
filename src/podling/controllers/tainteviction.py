"""Taint eviction: Pods that do not tolerate a NoExecute taint of their node are deleted, those that tolerate it for a
time when the time is over.

The time counts from the moment the taint was added, so a restart of this controller forgets nothing; a taint that was
put on by hand and does not say when gets the moment it was first seen here.
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.core.node import Taint
from podling.api.kinds.core.scheduling import Toleration
from podling.api.kinds.policy import budgets
from podling.api.objects import Object
from podling.client.resources import NODES, PODS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Again, Delete, Patch, Plan, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.tolerating import tolerates
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    pod = found.view
    if found.head.deleting or not pod.spec.node_name:
        return
    node = view.of(NODES).get("", pod.spec.node_name)
    taints = [taint for taint in node.view.spec.taints if taint.effect == "NoExecute"] if node is not None else []
    if not taints:
        return
    if any(taint.time_added is None and _for_a_time(taint, pod.spec.tolerations) for taint in taints):
        assert node is not None
        yield [_dated(node, view.now)]
        return
    deadline = min(_deadline(taint, pod.spec.tolerations, view.now) for taint in taints)
    if deadline <= view.now:
        message = f"Marking for deletion Pod {found.head.namespace}/{found.head.name}"
        told = Tell(reference(found), "Normal", "TaintManagerEviction", message)
        yield [_mark(found, view.now)]
        yield [Delete(PODS, found.head.namespace, found.head.name, found.head.uid, done=told)]
    elif deadline != float("inf"):
        yield [Again(deadline - view.now)]


def _mark(found: Object, now: float) -> Patch:
    """Whoever counts failures shall know that this Pod did not fail by itself."""
    told = budgets.target("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", rfc3339(now))
    body = {"metadata": {"uid": found.head.uid}, "status": {"conditions": [told]}}
    return Patch(PODS, found.head.namespace, found.head.name, body, "strategic-merge", "status")


def _for_a_time(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(each.toleration_seconds is not None for each in tolerations if tolerates(each, taint))


def _dated(node: Object, now: float) -> Patch:
    """Its taints with the time since when they evict."""
    taints = [
        each if each["effect"] != "NoExecute" else {"timeAdded": rfc3339(now), **each}
        for each in node.json()["spec"]["taints"]
    ]
    body = {"metadata": {"resourceVersion": str(node.revision)}, "spec": {"taints": taints}}
    return Patch(NODES, "", node.head.name, body)


def _deadline(taint: Taint, tolerations: Iterable[Toleration], now: float) -> float:
    """When the Pod has to go; infinity where it may stay."""
    matching = [each for each in tolerations if tolerates(each, taint)]
    if not matching:
        return now
    limits = [each.toleration_seconds for each in matching if each.toleration_seconds is not None]
    if not limits:
        return float("inf")
    return pods.seconds(taint.time_added, now) + max(0, min(limits))


def _pods_of(node: Object, view: View) -> Iterable[str]:
    return [pod.key for pod in view.of(PODS).on_node(node.head.name)] if node.view.spec.taints else []


def _same_taints(old: Object, new: Object) -> bool:
    return bool(old.view.spec.taints == new.view.spec.taints)


CONTROLLER = Controller(
    name="taint-eviction-controller",
    component="taint-eviction-controller",
    reconcile=reconcile,
    resource=PODS,
    watches=(Watch(NODES, _pods_of, _same_taints),),
    relevant=lambda pod: bool(pod.view.spec.node_name),
)
