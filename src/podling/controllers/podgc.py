"""Pod garbage collection: Pods that nobody will ever finish.

A Pod bound to a node that does not exist (nor came within 40 seconds of the Pod), and a Pod that is being deleted
before it was ever bound.
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object
from podling.client.resources import NODES, PODS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Absent, Again, Delete, Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

QUARANTINE = 40.0
MISSING = "DeletionByPodGC"


def reconcile(found: Object, view: View) -> Plan:
    pod = found.view
    if not pod.spec.node_name:
        if found.head.deleting:
            yield [_deletion(found)]
        return
    if view.of(NODES).get("", pod.spec.node_name) is not None:
        return
    marked = pods.condition(pod, "DisruptionTarget")
    if marked is None or marked.reason != MISSING:
        # Bound, and no such node: look again after the quarantine, a node may be on its way.
        age = view.now - max(pods.seconds(pod.metadata.creation_timestamp, view.now), view.settings.started)
        if age < QUARANTINE:
            yield [Again(QUARANTINE - age)]
            return
        yield [Absent(NODES, "", pod.spec.node_name, "")]
        yield [_mark(found, view.now)]
    yield [_deletion(found)]


def _mark(found: Object, now: float) -> Update:
    body = found.json()
    status = body.setdefault("status", {})
    if not pods.is_finished(found.view):
        status["phase"] = "Failed"
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": MISSING,
        "message": "PodGC: node no longer exists",
        "lastTransitionTime": rfc3339(now),
    }
    kept = [each for each in status.get("conditions") or () if each["type"] != condition["type"]]
    status["conditions"] = [*kept, condition]
    return Update(PODS, found.head.namespace, found.head.name, body, "status")


def _deletion(found: Object) -> Delete:
    return Delete(PODS, found.head.namespace, found.head.name, found.head.uid, grace=0)


def _pods_of(node: Object, view: View) -> Iterable[str]:
    if view.of(NODES).get("", node.head.name) is None:
        yield from (pod.key for pod in view.of(PODS).on_node(node.head.name))


CONTROLLER = Controller(
    name="pod-garbage-collector",
    component="pod-garbage-collector",
    reconcile=reconcile,
    resource=PODS,
    watches=(Watch(NODES, _pods_of),),
)
