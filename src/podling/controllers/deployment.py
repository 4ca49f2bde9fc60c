"""Deployment: one ReplicaSet for each template it ever had, the present one rolled out in place of the others.

A run decides one thing: to make the new ReplicaSet, to let it grow, to let old ones shrink, or to spread a change of
the size over all of them. It writes that and the status, and what the ReplicaSets say next brings it here again. The
arithmetic is in `reconcile/rollouts.py`, the history in `revisions.py`, the conditions in `progress.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podling.api.objects import Object, key_of
from podling.client.resources import DEPLOYMENTS, PODS, REPLICASETS
from podling.reconcile import claiming, pods, progress, revisions, rollouts, statuses, templates
from podling.reconcile.action import Action, Again, Create, Delete, Group, Patch, Plan, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.rollouts import Rollout, Sizes, size
from podling.reconcile.selectors import matches
from podling.reconcile.statuses import Conditions
from podling.reconcile.view import View

Json = dict[str, Any]


class Move(msgspec.Struct, frozen=True):
    """What one run does. `waits`: it is neither paused nor being scaled, so the deadline of its progress counts."""

    sizes: Sizes = []
    create: bool = False
    clean: bool = False
    waits: bool = True


def reconcile(found: Object, view: View) -> Plan:
    """Groups: claims; ReplicaSets and the revision; the status; what is told."""
    selector = found.view.spec.selector
    if selector is None or not (selector.match_labels or selector.match_expressions):
        return
    claimed = claiming.claim(found, selector, view.of(REPLICASETS), claiming.standing)
    yield from claiming.groups(claimed, found, DEPLOYMENTS, REPLICASETS)
    rollout = rollouts.of(found, claiming.ordered((*claimed.owned, *claimed.adopt)))
    if found.head.deleting:
        status = progress.counts(rollout)
        yield statuses.writing(found, DEPLOYMENTS, status | _conditions(statuses.conditions_of(found)))
        return
    move = _move(rollout, view)
    if move.create and view.of(REPLICASETS).get(found.head.namespace, _name(rollout)) is not None:
        yield _collision(rollout)
        return
    if move.create and progress.is_refusal(view.failure):
        yield _status(rollout, move, view, failed=True)
    yield from _writes(rollout, move)
    yield [*_status(rollout, move, view), *_told(rollout, move)]


def _move(rollout: Rollout, view: View) -> Move:
    if rollout.spec.paused or rollouts.is_scaling(rollout):
        return Move(sizes=rollouts.scaled(rollout), clean=rollout.spec.paused, waits=False)
    done = rollouts.is_complete(rollout, rollout.deployment.view.status)
    if not rollout.rolling:
        return _recreate(rollout, view, done)
    if rollout.new is None:
        return Move(create=True)
    wanted = rollouts.size_of_new(rollout)
    if wanted != size(rollout.new):
        return Move(sizes=[(rollout.new, wanted)])
    return Move(sizes=rollouts.shrink_old(rollout), clean=done)


def _recreate(rollout: Rollout, view: View, done: bool) -> Move:
    """Everything old ends, to the last terminating Pod, before anything new begins."""
    shrunk = [(each, 0) for each in rollout.old if size(each)]
    if shrunk or _old_runs(rollout, view):
        return Move(sizes=shrunk)
    if rollout.new is None:
        return Move(create=True)
    return Move(sizes=[(rollout.new, rollout.replicas)] if size(rollout.new) != rollout.replicas else [], clean=done)


def _old_runs(rollout: Rollout, view: View) -> bool:
    if any(each.view.status.replicas for each in rollout.old):
        return True
    standing = [pod for each in rollout.old for pod in view.of(PODS).owned(each.head.uid)]
    return any(not pods.is_finished(pod.view) for pod in standing)


def _name(rollout: Rollout) -> str:
    return f"{rollout.deployment.head.name}-{_hash(rollout)}"


def _hash(rollout: Rollout) -> str:
    template = templates.plain(rollout.deployment.json()["spec"].get("template") or {})
    return templates.hash_of(template, rollout.deployment.view.status.collision_count or 0)


def _collision(rollout: Rollout) -> Group:
    """The name belongs to something else: count it, and the next hash is another."""
    found = rollout.deployment
    old: Json = found.json().get("status") or {}
    return statuses.writing(found, DEPLOYMENTS, old | {"collisionCount": old.get("collisionCount", 0) + 1})


def _writes(rollout: Rollout, move: Move) -> Iterable[Group]:
    found = rollout.deployment
    bodies = {each.key: _resized(rollout, each, wanted) for each, wanted in move.sizes}
    wanted = revisions.texts(rollout)
    if rollout.new is not None:
        bodies[rollout.new.key] = _in_step(rollout, rollout.new, wanted, bodies.get(rollout.new.key, {}))
    known = {each.key: each for each in rollout.every}
    first: list[Action] = [
        Patch(REPLICASETS, found.head.namespace, known[key].head.name, {"metadata": {}, **body}, kind="merge")
        for key, body in bodies.items()
        if body
    ]
    if move.create:
        first.append(_creation(rollout, wanted))
    if move.clean:
        first += [_deletion(each) for each in revisions.forgotten(rollout)]
    if first:
        yield first
    if rollout.new is not None or move.create:
        revision = wanted.get(revisions.REVISION) or str(revisions.number(rollout.new) if rollout.new else 0)
        if found.view.metadata.annotations.get(revisions.REVISION) != revision:
            body = {"metadata": {"uid": found.head.uid, "annotations": {revisions.REVISION: revision}}}
            yield [Patch(DEPLOYMENTS, found.head.namespace, found.head.name, body)]


def _resized(rollout: Rollout, each: Object, wanted: int) -> Json:
    marks = revisions.marks(rollout)
    if size(each) == wanted and marks.items() <= each.view.metadata.annotations.items():
        return {}
    return {"metadata": {"uid": each.head.uid, "annotations": marks}, "spec": {"replicas": wanted}}


def _in_step(rollout: Rollout, new: Object, annotations: Json, body: Json) -> Json:
    """The patch of the new ReplicaSet with what it takes over from the Deployment."""
    seconds = rollout.spec.min_ready_seconds
    if annotations.items() <= new.view.metadata.annotations.items() and new.view.spec.min_ready_seconds == seconds:
        return body
    told = (body.get("metadata") or {}).get("annotations") or {}
    return {
        "metadata": {"uid": new.head.uid, "annotations": annotations | told},
        "spec": (body.get("spec") or {}) | {"minReadySeconds": seconds},
    }


def _creation(rollout: Rollout, annotations: dict[str, str]) -> Create:
    found, hash = rollout.deployment, {templates.HASH_LABEL: _hash(rollout)}
    spec = found.json()["spec"]
    template = spec.get("template") or {}
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **hash}
    selector = spec["selector"]
    name, replicas = _name(rollout), rollouts.size_of_new(rollout)
    about = reference(found)
    body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": found.head.namespace,
            "labels": labels,
            "annotations": annotations | revisions.marks(rollout),
            "ownerReferences": [claiming.owner_reference(found)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": rollout.spec.min_ready_seconds,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **hash}},
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
    grown = Tell(about, "Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
    failed = Tell(about, "Warning", progress.FAILED, f'Failed to create new replica set "{name}": {{error}}')
    return Create(REPLICASETS, found.head.namespace, body, done=grown if replicas else None, failed=failed)


def _deletion(each: Object) -> Delete:
    return Delete(REPLICASETS, each.head.namespace, each.head.name, each.head.uid, revision=each.revision)


def _status(rollout: Rollout, move: Move, view: View, *, failed: bool = False) -> list[Action]:
    found, now = rollout.deployment, view.now
    status = progress.counts(rollout)
    conditions = progress.pausing(rollout, statuses.conditions_of(found), now)
    if progress.has_deadline(rollout):
        conditions = _about_new(rollout, move, conditions, view, failed)
    conditions = progress.availability(rollout, conditions, now)
    if move.waits and not move.create:
        conditions = progress.moving(rollout, conditions, status, now)
        conditions = progress.failing(rollout, conditions)
    due = progress.due_in(rollout, conditions, now) if move.waits else None
    again = [Again(due + 1.0)] if due else []
    return [*statuses.writing(found, DEPLOYMENTS, status | _conditions(conditions)), *again]


def _about_new(rollout: Rollout, move: Move, conditions: Conditions, view: View, failed: bool) -> Conditions:
    if failed:
        text = f'Failed to create new replica set "{_name(rollout)}": {view.failure}'
        return progress.progressing(conditions, view.now, "False", progress.FAILED, text)
    if move.create:
        text = f'Created new replica set "{_name(rollout)}"'
        return progress.progressing(conditions, view.now, "True", progress.CREATED, text)
    if rollout.new is not None and statuses.condition(conditions, "Progressing") is None:
        text = f'Found new replica set "{rollout.new.head.name}"'
        return progress.progressing(conditions, view.now, "True", progress.FOUND, text)
    return conditions


def _conditions(conditions: Conditions) -> Json:
    return {"conditions": conditions} if conditions else {}


def _told(rollout: Rollout, move: Move) -> list[Action]:
    about, out = reference(rollout.deployment), list[Action]()
    for each, wanted in move.sizes:
        before = size(each)
        if before != wanted:
            way = "up" if wanted > before else "down"
            text = f"Scaled {way} replica set {each.head.name} from {before} to {wanted}"
            out.append(Tell(about, "Normal", "ScalingReplicaSet", text))
    return out


def _concerned(replica_set: Object, view: View) -> Iterable[str]:
    """The Deployment that controls a ReplicaSet; for an orphan, all that might adopt it."""
    owner = pods.controller_of(replica_set.view.metadata)
    if owner is not None:
        return (_key(replica_set.head.namespace, owner.name),) if owner.kind == "Deployment" else ()
    return [
        each.key
        for each in view.of(DEPLOYMENTS).list(replica_set.head.namespace)
        if (selector := each.view.spec.selector) is not None and matches(selector, replica_set.head.labels)
    ]


def _of_pod(pod: Object, view: View) -> Iterable[str]:
    """Only who recreates waits for the Pods themselves."""
    owner = pods.controller_of(pod.view.metadata)
    if owner is None or owner.kind != "ReplicaSet":
        return
    replica_set = view.of(REPLICASETS).get(pod.head.namespace, owner.name)
    above = pods.controller_of(replica_set.view.metadata) if replica_set is not None else None
    if above is None or above.kind != "Deployment":
        return
    found = view.of(DEPLOYMENTS).get(pod.head.namespace, above.name)
    if found is not None and found.view.spec.strategy.type == "Recreate":
        yield found.key


def _key(namespace: str, name: str) -> str:
    return key_of(DEPLOYMENTS.group, DEPLOYMENTS.plural, namespace, name)


CONTROLLER = Controller(
    name="deployment",
    component="deployment-controller",
    reconcile=reconcile,
    resource=DEPLOYMENTS,
    watches=(Watch(REPLICASETS, _concerned), Watch(PODS, _of_pod, pods.same_standing)),
)
