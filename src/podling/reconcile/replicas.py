"""As many Pods of one template as were asked for: what ReplicaSet and ReplicationController have in common.

The active Pods it controls are counted, what is missing is created in slow-start batches, what is too much is deleted,
the least useful first. The status says what was counted before that; the Pods' own changes bring the owner here again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object
from podling.client.resources import PODS, REPLICASETS
from podling.client.transport import Resource
from podling.env import rfc3339
from podling.reconcile import claiming, pods
from podling.reconcile.action import Action, Again, Create, Delete, Group, Plan, Tell, Update, reference
from podling.reconcile.batches import SLICE, evenly, slow_start
from podling.reconcile.podranking import first_to_go
from podling.reconcile.view import View

BURST = 500
"""Pods created or deleted in one run at most."""


class Counted(msgspec.Struct, frozen=True):
    """The Pods that count towards the replicas, how many of them are what, and when the next will be available."""

    active: list[Object]
    ready: int
    available: int
    labelled: int
    terminating: int
    again: float | None


def keep(found: Object, selector: LabelSelector, view: View, resource: Resource) -> Plan:
    """Groups: claims, then the status beside the first batch of creations or deletions, then further batches.

    `found` is one of `resource`, whose spec and status have the names of a ReplicaSet's. Of ten thousand Pods it looks
    at some, pauses, and looks on: what changes meanwhile brings it here again.
    """
    claimed = yield from claiming.in_slices(found, selector, view.of(PODS))
    yield from claiming.groups(claimed, found, resource)
    counted = yield from _counted(found, [*claimed.owned, *claimed.adopt], view.now)
    first: list[Action] = [*_status(found, counted, view, resource)]
    first += [Again(counted.again)] if counted.again is not None else []
    for batch in (yield from _scaling(found, counted.active, view)):
        yield [*first, *batch]
        first = []
    if first:
        yield first


def _counted(found: Object, owned: Sequence[Object], now: float) -> Generator[Group, Any, Counted]:
    spec = found.view.spec
    template = spec.template.metadata.labels if spec.template is not None else {}
    active, waits = list[Object](), list[float]()
    ready = available = labelled = terminating = 0
    for some in evenly(owned, SLICE):
        for pod in some:
            if pods.is_finished(pod.view):
                continue
            if pod.head.deleting:
                terminating += 1
                continue
            active.append(pod)
            labelled += template.items() <= pod.head.labels.items()
            wait = pods.available_in(pod.view, spec.min_ready_seconds, now)
            ready += wait is not None
            available += wait == 0.0
            waits += [wait] if wait else []
        yield []
    return Counted(active, ready, available, labelled, terminating, min(waits, default=None))


def _scaling(found: Object, active: Sequence[Object], view: View) -> Generator[Group, Any, list[Group]]:
    if found.head.deleting:
        return []
    wanted = found.view.spec.replicas
    missing = (1 if wanted is None else wanted) - len(active)
    if missing > 0:
        # After a failure the first batch is one again: the runner asks anew.
        return list(slow_start([_creation(found)] * min(missing, BURST)))
    if missing == 0:
        return []
    related = _related(found, active, view)
    leaving = yield from first_to_go(active, related, view.now, min(-missing, BURST))
    return list(evenly([_deletion(found, pod) for pod in leaving]))


def _creation(found: Object) -> Create:
    template = found.json()["spec"].get("template") or {}
    given = template.get("metadata") or {}
    metadata: dict[str, Any] = {"generateName": _name_prefix(found.head.name), "namespace": found.head.namespace}
    metadata |= {name: given[name] for name in ("labels", "annotations", "finalizers") if given.get(name)}
    metadata["ownerReferences"] = [claiming.owner_reference(found)]
    about = reference(found)
    return Create(
        PODS,
        found.head.namespace,
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}},
        done=Tell(about, "Normal", "SuccessfulCreate", "Created pod: {name}"),
        failed=Tell(about, "Warning", "FailedCreate", "Error creating: {error}"),
    )


def _deletion(found: Object, pod: Object) -> Delete:
    about = reference(found)
    return Delete(
        PODS,
        pod.head.namespace,
        pod.head.name,
        pod.head.uid,
        done=Tell(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
        failed=Tell(about, "Warning", "FailedDelete", "Error deleting: {error}"),
    )


def _name_prefix(name: str) -> str:
    """The name and a dash, unless that could not begin a Pod's name."""
    return f"{name}-" if len(name) < 253 else name


def _related(found: Object, active: Sequence[Object], view: View) -> Sequence[Object]:
    """Active Pods of all ReplicaSets of the same controller: what makes a node crowded."""
    owner = pods.controller_of(found.view.metadata)
    if owner is None:
        return active
    others = [each for each in view.of(REPLICASETS).owned(owner.uid) if each.head.uid != found.head.uid]
    found_pods = [pod for member in others for pod in view.of(PODS).owned(member.head.uid)]
    return [*active, *(pod for pod in found_pods if pods.is_active(pod.view))]


def _status(found: Object, counted: Counted, view: View, resource: Resource) -> list[Action]:
    numbers: dict[str, Any] = {
        "replicas": len(counted.active),
        "fullyLabeledReplicas": counted.labelled,
        "readyReplicas": counted.ready,
        "availableReplicas": counted.available,
    }
    status = {name: count for name, count in numbers.items() if count or name == "replicas"}
    if resource == REPLICASETS:
        status["terminatingReplicas"] = counted.terminating
    status["observedGeneration"] = found.view.metadata.generation
    conditions = _conditions(found, len(counted.active), view)
    if conditions:
        status["conditions"] = conditions
    body = found.json()
    if _significant(body.get("status") or {}) == _significant(status):
        return []
    return [Update(resource, found.head.namespace, found.head.name, body | {"status": status}, "status")]


def _significant(status: dict[str, Any]) -> dict[str, Any]:
    """A status without what says nothing: zeros and the time of an unchanged condition."""
    said = {name: value for name, value in status.items() if value or name == "terminatingReplicas"}
    conditions = said.pop("conditions", ())
    return said | {"conditions": [{**each, "lastTransitionTime": None} for each in conditions]}


def _conditions(found: Object, active: int, view: View) -> list[dict[str, Any]]:
    """ReplicaFailure from a plan that failed until there are as many as there have to be; others' stay as they are."""
    conditions = found.json().get("status", {}).get("conditions") or ()
    kept = [each for each in conditions if each["type"] != "ReplicaFailure"]
    wanted = found.view.spec.replicas
    missing = (1 if wanted is None else wanted) - active
    if missing == 0:
        return kept
    reason = "FailedCreate" if missing > 0 else "FailedDelete"
    # Each failure names another Pod: telling them all would be a write and a change a try, without any pause.
    told = [each for each in conditions if each["type"] == "ReplicaFailure" and each["reason"] == reason]
    if told or view.failure is None or view.failure.reason in ("Conflict", "ServiceUnavailable"):
        return [*kept, *told]
    failing = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": rfc3339(view.now),
        "reason": reason,
        "message": str(view.failure),
    }
    return [*kept, failing]
