"""Node lifecycle: a node whose kubelet went silent is unknown, and a node that is not well is tainted.

Every node renews a Lease; when it is too old, the node's conditions become Unknown, its Pods unready. Conditions are
mirrored by taints, which keep Pods away (NoSchedule) and, after their tolerations ran out, evict them (NoExecute,
carried out by `tainteviction`). (The documentation's "Nodes" and "Taints and Tolerations".)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.node import Node
from podling.api.objects import Object
from podling.client.resources import LEASES, NODES, PODS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Action, Again, Plan, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

LEASE_NAMESPACE = "kube-node-lease"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
# Conditions and statuses that taint, with the key of the taint.
TAINTS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
MANAGED = frozenset({*TAINTS.values(), UNSCHEDULABLE})
WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")

Json = dict[str, Any]


def reconcile(found: Object, view: View) -> Plan:
    """First what the silence says, then taints and Pods as the conditions (silenced or told) ask."""
    if found.head.deleting:
        return
    silent_for = view.now - _last_heard(found, view)
    left = view.settings.node_grace - silent_for
    body = found.json()
    if left <= 0 and _silence(body, found.view, view.now):
        yield [Update(NODES, "", found.head.name, body, "status")]
        return
    actions: list[Action] = [*_taint(body, found, view.now), *_unready_pods(body, found, view)]
    if left > 0:
        actions.append(Again(left + 0.1))
    if actions:
        yield actions


def _last_heard(found: Object, view: View) -> float:
    lease = view.of(LEASES).get(LEASE_NAMESPACE, found.head.name)
    renewed = pods.seconds(lease.view.spec.renew_time, 0.0) if lease is not None else 0.0
    created = pods.seconds(found.view.metadata.creation_timestamp, 0.0)
    return max(renewed, _told(found.view), created, view.settings.started)


def _told(node: Node) -> float:
    """When the kubelet last wrote a status: one that is back does so before it renews its Lease."""
    return max((pods.seconds(each.last_heartbeat_time, 0.0) for each in node.status.conditions), default=0.0)


def _silence(body: Json, node: Node, now: float) -> bool:
    """Set the conditions a kubelet would have told to Unknown; False where they are already."""
    conditions: list[Json] = body.setdefault("status", {}).setdefault("conditions", [])
    known = {each["type"]: each for each in conditions}
    changed = False
    for kind in WATCHED:
        condition = known.get(kind)
        if condition is not None and condition["status"] == "Unknown":
            continue
        changed = True
        unheard = condition is None
        if condition is None:
            condition = {"type": kind, "lastHeartbeatTime": node.metadata.creation_timestamp}
            conditions.append(condition)
        condition |= {
            "status": "Unknown",
            "reason": "NodeStatusNeverUpdated" if unheard else "NodeStatusUnknown",
            "message": "Kubelet never posted node status." if unheard else "Kubelet stopped posting node status.",
            "lastTransitionTime": rfc3339(now),
        }
    return changed


def _taint(body: Json, found: Object, now: float) -> list[Action]:
    keys: dict[tuple[str, str], None] = {}
    for condition in body.get("status", {}).get("conditions") or ():
        key = TAINTS.get((condition["type"], condition["status"]))
        if key is not None:
            keys[key, "NoSchedule"] = None
            if key in (NOT_READY, UNREACHABLE):
                keys[key, "NoExecute"] = None
    if body["spec"].get("unschedulable"):
        keys[UNSCHEDULABLE, "NoSchedule"] = None
    known: list[Json] = body["spec"].get("taints") or []
    kept = [each for each in known if each["key"] not in MANAGED or (each["key"], each["effect"]) in keys]
    there = {(each["key"], each["effect"]) for each in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": rfc3339(now)} for key, effect in keys if (key, effect) not in there
    ]
    if kept == known and not added:
        return []
    spec = {name: value for name, value in body["spec"].items() if name != "taints"}
    taints = [*kept, *added]
    return [Update(NODES, "", found.head.name, body | {"spec": spec | ({"taints": taints} if taints else {})})]


def _unready_pods(body: Json, found: Object, view: View) -> list[Action]:
    """Where the node is unknown nobody tells that its Pods are not ready any more."""
    conditions = body.get("status", {}).get("conditions") or ()
    if all((each["type"], each["status"]) != ("Ready", "Unknown") for each in conditions):
        return []
    ready = [pod for pod in view.of(PODS).on_node(found.head.name) if pods.is_ready(pod.view)]
    return [action for pod in ready for action in _unready(pod, view.now)]


def _unready(pod: Object, now: float) -> list[Action]:
    body = pod.json()
    for condition in body["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "lastTransitionTime": rfc3339(now)}
    return [
        Update(PODS, pod.head.namespace, pod.head.name, body, "status"),
        Tell(reference(pod), "Warning", "NodeNotReady", "Node is not ready"),
    ]


def _node(lease: Object, view: View) -> Iterable[str]:
    """A sign of life matters at once only where none was heard: a node that is well is looked at when one is due."""
    node = view.of(NODES).get("", lease.head.name)
    if lease.head.namespace == LEASE_NAMESPACE and node is not None and not _is_well(node.view):
        yield node.key


def _is_well(node: Node) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)


CONTROLLER = Controller(
    name="node-lifecycle",
    component="node-controller",
    reconcile=reconcile,
    resource=NODES,
    watches=(Watch(LEASES, _node),),
    reads=(PODS,),
)
