"""Pod garbage collection: Pods that nobody will ever finish.

A Pod bound to a node that does not exist (nor came within 40 seconds of the Pod), one that is being deleted before it
was ever bound, and one that is being deleted on a node that is not ready and that somebody declared out of service.
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
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def reconcile(found: Object, view: View) -> Plan:
    pod = found.view
    if not pod.spec.node_name:
        if found.head.deleting:
            yield [_deletion(found)]
        return
    node = view.of(NODES).get("", pod.spec.node_name)
    if node is not None:
        if found.head.deleting and _is_out_of_service(node):
            yield from _given_up(found)
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


def _is_out_of_service(node: Object) -> bool:
    """Nobody will end what runs there: it is not ready, and a person said so by a taint."""
    ready = any(each.type == "Ready" and each.status == "True" for each in node.view.status.conditions)
    return not ready and any(each.key == OUT_OF_SERVICE for each in node.view.spec.taints)


def _given_up(found: Object) -> Plan:
    body = found.json()
    if not pods.is_finished(found.view):
        body.setdefault("status", {})["phase"] = "Failed"
        yield [Update(PODS, found.head.namespace, found.head.name, body, "status")]
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
    present = view.of(NODES).get("", node.head.name)
    if present is None or _is_out_of_service(present):
        yield from (pod.key for pod in view.of(PODS).on_node(node.head.name))


def _is_bound_or_goes(pod: Object) -> bool:
    return bool(pod.head.fields.get("spec.nodeName") or pod.head.deleting)


def _same_service(old: Object, new: Object) -> bool:
    return _is_out_of_service(old) == _is_out_of_service(new)


CONTROLLER = Controller(
    name="pod-garbage-collector",
    component="pod-garbage-collector",
    reconcile=reconcile,
    resource=PODS,
    watches=(Watch(NODES, _pods_of, _same_service),),
    relevant=_is_bound_or_goes,
)
