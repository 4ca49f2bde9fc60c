"""As many Pods of one template as were asked for: what ReplicaSet and ReplicationController have in common.

The active Pods it controls are counted, what is missing is created in slow-start batches, what is too much is deleted,
the least useful first. The status says what was counted before that; the Pods' own changes bring the owner here again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object
from podling.client.resources import PODS, REPLICASETS
from podling.client.transport import Resource
from podling.env import rfc3339
from podling.reconcile import claiming, pods
from podling.reconcile.action import Action, Again, Create, Delete, Group, Plan, Tell, Update, reference
from podling.reconcile.batches import slow_start
from podling.reconcile.podranking import rank_for_deletion
from podling.reconcile.view import View

BURST = 500
"""Pods created or deleted in one run at most."""


def keep(found: Object, selector: LabelSelector, view: View, resource: Resource) -> Plan:
    """Groups: claims, then the status beside the first batch of creations or all deletions, then further batches.

    `found` is one of `resource`, whose spec and status have the names of a ReplicaSet's.
    """
    claimed = claiming.claim(found, selector, view.of(PODS))
    yield from claiming.groups(claimed, found, resource)
    owned = [*claimed.owned, *claimed.adopt]
    active = [pod for pod in owned if pods.is_active(pod.view)]
    status = _status(found, owned, active, view, resource)
    first: list[Action] = [*status, *_wake_for_availability(found, active, view)]
    for batch in _scaling(found, active, view):
        yield [*first, *batch]
        first = []
    if first:
        yield first


def _scaling(found: Object, active: Sequence[Object], view: View) -> Iterator[Group]:
    if found.head.deleting:
        return
    wanted = found.view.spec.replicas
    missing = (1 if wanted is None else wanted) - len(active)
    if missing > 0:
        # After a failure the first batch is one again: the runner asks anew.
        yield from slow_start([_creation(found)] * min(missing, BURST))
    elif missing < 0:
        related = _related(found, view)
        yield [_deletion(found, pod) for pod in rank_for_deletion(active, related, view.now)[: min(-missing, BURST)]]


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


def _related(found: Object, view: View) -> list[Object]:
    """Active Pods of all ReplicaSets of the same controller: what makes a node crowded."""
    owner = pods.controller_of(found.view.metadata)
    family = [found] if owner is None else view.of(REPLICASETS).owned(owner.uid)
    found_pods = [pod for member in family for pod in view.of(PODS).owned(member.head.uid)]
    return [pod for pod in found_pods if pods.is_active(pod.view)]


def _status(
    found: Object, owned: Sequence[Object], active: Sequence[Object], view: View, resource: Resource
) -> list[Action]:
    replica_set = found.view
    least = replica_set.spec.min_ready_seconds
    template = replica_set.spec.template.metadata.labels if replica_set.spec.template is not None else {}
    ready_in = [pods.available_in(pod.view, least, view.now) for pod in active]
    terminating = [pod for pod in owned if pod.head.deleting and not pods.is_finished(pod.view)]
    counted: dict[str, Any] = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template.items() <= pod.head.labels.items() for pod in active),
        "readyReplicas": sum(each is not None for each in ready_in),
        "availableReplicas": sum(each == 0.0 for each in ready_in),
    }
    status = {name: count for name, count in counted.items() if count or name == "replicas"}
    if resource == REPLICASETS:
        status["terminatingReplicas"] = len(terminating)
    status["observedGeneration"] = replica_set.metadata.generation
    conditions = _conditions(found, len(active), view)
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
    """ReplicaFailure while the last plan failed; conditions of others stay as they are."""
    kept = [each for each in found.json().get("status", {}).get("conditions") or () if each["type"] != "ReplicaFailure"]
    wanted = found.view.spec.replicas
    missing = (1 if wanted is None else wanted) - active
    if view.failure is None or missing == 0 or view.failure.reason in ("Conflict", "ServiceUnavailable"):
        return kept
    failing = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": rfc3339(view.now),
        "reason": "FailedCreate" if missing > 0 else "FailedDelete",
        "message": str(view.failure),
    }
    return [*kept, failing]


def _wake_for_availability(found: Object, active: Iterable[Object], view: View) -> list[Action]:
    least = found.view.spec.min_ready_seconds
    waits = [pods.available_in(pod.view, least, view.now) for pod in active]
    return [Again(wait) for wait in [min((wait for wait in waits if wait), default=0.0)] if wait]
