"""DaemonSet: one Pod on every node that takes it.

Pods are made for their node and bound by the scheduler. An update replaces them node by node: within `maxUnavailable`
the old one goes first, within `maxSurge` the new one comes first, and with OnDelete nothing happens by itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from podling.api.kinds.apps.daemonset import DaemonSet
from podling.api.objects import Object, key_of
from podling.client.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from podling.reconcile import claiming, history, placing, pods, shares, statuses, templates
from podling.reconcile.action import Action, Again, Create, Delete, Group, Plan, Tell, reference
from podling.reconcile.batches import SLICE, evenly, slow_start
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.history import History
from podling.reconcile.placing import Belongs
from podling.reconcile.selectors import matches
from podling.reconcile.view import View

BURST = 250
PATIENCE = 5.0
"""Seconds that a Pod which ended at once is left to be seen, so that a hopeless one is not made in a fast loop."""
Json = dict[str, Any]


class Fleet(msgspec.Struct, frozen=True):
    """Where Pods belong and where they are, the oldest first; `hash` marks those of the present template."""

    owner: Object
    places: Mapping[str, Belongs]
    pods: Mapping[str, Sequence[Object]]
    hash: str
    now: float

    @property
    def spec(self) -> Any:
        view: DaemonSet = self.owner.view
        return view.spec

    @property
    def desired(self) -> list[str]:
        return [node for node, place in self.places.items() if place.run]

    def limit(self, name: str) -> int:
        rolling = self.spec.update_strategy.rolling_update
        given = getattr(rolling, name) if rolling is not None else None
        return shares.resolve(given, len(self.desired), up=True)

    @property
    def surge(self) -> int:
        return self.limit("max_surge") if self.rolls else 0

    @property
    def rolls(self) -> bool:
        return bool(self.spec.update_strategy.type != "OnDelete")

    def standing(self, node: str) -> list[Object]:
        return [each for each in self.pods.get(node, ()) if pods.is_active(each.view)]

    def is_new(self, pod: Object) -> bool:
        return pod.head.labels.get(history.LABEL) == self.hash

    def available(self, pod: Object | None) -> bool:
        if pod is None or pod.head.deleting:
            return False
        return pods.available_in(pod.view, self.spec.min_ready_seconds, self.now) == 0.0

    def pair(self, node: str) -> tuple[Object | None, Object | None]:
        """The old and the new Pod of a node; None for what is not there."""
        here = self.standing(node)
        old = next((each for each in here if not self.is_new(each)), None)
        return old, next((each for each in here if self.is_new(each)), None)


class Changes(msgspec.Struct, frozen=True):
    create: list[str] = []
    delete: list[Object] = []
    told: list[Action] = []


def reconcile(found: Object, view: View) -> Plan:
    """Groups: claims; the revision; the status; deletions; creations in slow-start batches."""
    selector = found.view.spec.selector
    if selector is None or not (selector.match_labels or selector.match_expressions):
        return
    of_ours = claiming.claim(found, selector, view.of(CONTROLLERREVISIONS), claiming.standing)
    yield from claiming.groups(of_ours, found, DAEMONSETS, CONTROLLERREVISIONS)
    past = history.of(found, (*of_ours.owned, *of_ours.adopt))
    claimed = claiming.claim(found, selector, view.of(PODS))
    yield from claiming.groups(claimed, found, DAEMONSETS)
    fleet = yield from _fleet(found, claiming.ordered((*claimed.owned, *claimed.adopt)), past, view)
    if found.head.deleting:
        yield (yield from _status(fleet))
        return
    if past.present is None:
        if view.of(CONTROLLERREVISIONS).get(found.head.namespace, past.name) is not None:
            old = found.json().get("status") or {}
            yield statuses.writing(found, DAEMONSETS, old | {"collisionCount": old.get("collisionCount", 0) + 1})
            return
        yield [history.creation(past)]
    yield [*history.renewal(past), *history.expired(past, _live(past, fleet))]
    status = yield from _status(fleet)
    yield [*status, *_wakes(fleet)]
    changes = yield from _changes(fleet)
    yield from _carry_out(fleet, changes)


def _live(past: History, fleet: Fleet) -> set[str]:
    """Revisions that Pods still have."""
    used = {each.head.labels.get(history.LABEL) for here in fleet.pods.values() for each in here}
    return {each.head.name for each in past.revisions if history.hash_label(each) in used}


def _fleet(found: Object, owned: Sequence[Object], past: History, view: View) -> Generator[Group, Any, Fleet]:
    """Of thousands of nodes, with pauses."""
    spec = found.view.spec.template.spec
    places: dict[str, Belongs] = {}
    for nodes in evenly(view.of(NODES).list(), SLICE):
        places |= {each.head.name: placing.belongs(spec, each.view) for each in nodes}
        yield []
    by_node: dict[str, list[Object]] = {}
    for some in evenly(owned, SLICE):
        for pod in some:
            by_node.setdefault(placing.node_of(pod), []).append(pod)
        yield []
    hash = history.hash_label(past.present) if past.present is not None else past.hash
    return Fleet(found, dict(sorted(places.items())), by_node, hash, view.now)


def _changes(fleet: Fleet) -> Generator[Group, Any, Changes]:
    changes = Changes()
    for nodes in evenly(sorted({*fleet.places, *fleet.pods}), SLICE):
        for node in nodes:
            _keep(fleet, node, changes)
        yield []
    if fleet.rolls and not changes.create and not changes.delete:
        return _surge(fleet) if fleet.surge else _replace(fleet)
    return changes


def _keep(fleet: Fleet, node: str, changes: Changes) -> None:
    """One Pod where one belongs, none elsewhere; finished ones go and are replaced."""
    place = fleet.places.get(node, Belongs(run=False, stay=False))
    here = fleet.pods.get(node, ())
    if not place.stay:
        # A Pod of a node that is no more is collected with it; one that was never bound has to go here.
        changes.delete.extend(each for each in here if not each.head.deleting)
        return
    for each in here:
        if pods.is_finished(each.view) and not each.head.deleting and not _patience(fleet, each):
            changes.delete.append(each)
            changes.told.append(_found_finished(fleet, each, node))
    if place.run and not here:
        changes.create.append(node)
    changes.delete.extend(_surplus(fleet, node))


def _patience(fleet: Fleet, pod: Object) -> float:
    born = pods.seconds(pod.view.metadata.creation_timestamp, fleet.now)
    return max(0.0, born + PATIENCE - fleet.now)


def _surplus(fleet: Fleet, node: str) -> list[Object]:
    here = fleet.standing(node)
    if not fleet.surge:
        return here[1:]
    old, new = fleet.pair(node)
    return [each for each in here if each is not old and each is not new]


def _replace(fleet: Fleet) -> Changes:
    """Old Pods go, those that do not work at once, the others as far as may be unavailable."""
    broken: list[Object] = []
    working: list[Object] = []
    unavailable = 0
    for node in fleet.desired:
        old, new = fleet.pair(node)
        if old is not None and new is None:
            if fleet.available(old):
                working.append(old)
                continue
            broken.append(old)
        if not fleet.available(new):
            unavailable += 1
    room = (fleet.limit("max_unavailable") or 1) - unavailable
    return Changes(delete=[*broken, *working[: max(0, room)]])


def _surge(fleet: Fleet) -> Changes:
    """New Pods come beside the old, which go when the new ones are available."""
    changes = Changes()
    candidates: list[str] = []
    surging = 0
    for node in fleet.desired:
        old, new = fleet.pair(node)
        if old is None:
            continue
        if new is None:
            (candidates if fleet.available(old) else changes.create).append(node)
        elif not fleet.available(old) or fleet.available(new):
            changes.delete.append(old)
        else:
            surging += 1
    changes.create.extend(candidates[: max(0, fleet.surge - surging)])
    return changes


def _found_finished(fleet: Fleet, pod: Object, node: str) -> Tell:
    about, where = reference(fleet.owner), f"{pod.head.namespace}/{pod.head.name} on node {node}"
    if pod.view.status.phase == "Failed":
        text = f"Found failed daemon pod {where}, will try to kill it"
        return Tell(about, "Warning", "FailedDaemonPod", text)
    text = f"Found succeeded daemon pod {where}, will try to delete it"
    return Tell(about, "Normal", "SucceededDaemonPod", text)


def _carry_out(fleet: Fleet, changes: Changes) -> Plan:
    yield changes.told
    yield from evenly([_deletion(fleet.owner, each) for each in changes.delete[:BURST]])
    yield from slow_start([_creation(fleet, node) for node in changes.create[:BURST]])


def _creation(fleet: Fleet, node: str) -> Create:
    owner = fleet.owner
    about, template = reference(owner), owner.json()["spec"].get("template") or {}
    body = templates.pod(owner, template, generateName=f"{owner.head.name}-")
    body["metadata"]["labels"] = {**body["metadata"].get("labels", {}), history.LABEL: fleet.hash}
    body["spec"] = placing.bound(body["spec"], node)
    return Create(
        PODS,
        owner.head.namespace,
        body,
        done=Tell(about, "Normal", "SuccessfulCreate", "Created pod: {name}"),
        failed=Tell(about, "Warning", "FailedCreate", "Error creating: {error}"),
    )


def _deletion(owner: Object, pod: Object) -> Delete:
    about = reference(owner)
    return Delete(
        PODS,
        pod.head.namespace,
        pod.head.name,
        pod.head.uid,
        done=Tell(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
        failed=Tell(about, "Warning", "FailedDelete", "Error deleting: {error}"),
    )


def _status(fleet: Fleet) -> Generator[Group, Any, list[Action]]:
    desired = fleet.desired
    first: dict[str, Object | None] = {}
    for nodes in evenly(desired, SLICE):
        first |= {node: _best(fleet, node) for node in nodes}
        yield []
    placed = [each for each in first.values() if each is not None]
    available = sum(fleet.available(each) for each in placed)
    elsewhere = [node for node, place in fleet.places.items() if not place.run and fleet.pods.get(node)]
    status: Json = {
        "currentNumberScheduled": len(placed),
        "numberMisscheduled": len(elsewhere),
        "desiredNumberScheduled": len(desired),
        "numberReady": sum(pods.is_ready(each.view) for each in placed),
        "observedGeneration": fleet.owner.view.metadata.generation,
        "updatedNumberScheduled": sum(fleet.is_new(each) for each in placed),
        "numberAvailable": available,
        "numberUnavailable": len(desired) - available,
    }
    kept = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    said = {name: value for name, value in status.items() if value or name in kept}
    if fleet.owner.view.status.collision_count is not None:
        said["collisionCount"] = fleet.owner.view.status.collision_count
    conditions = statuses.conditions_of(fleet.owner)
    return statuses.writing(fleet.owner, DAEMONSETS, said | ({"conditions": conditions} if conditions else {}))


def _best(fleet: Fleet, node: str) -> Object | None:
    """The Pod that speaks for its node: a new one rather than an old, the oldest of those."""
    old, new = fleet.pair(node)
    present = [each for each in (new, old) if each is not None]
    rest = fleet.pods.get(node, ())
    return present[0] if present else rest[0] if rest else None


def _wakes(fleet: Fleet) -> list[Action]:
    least = fleet.spec.min_ready_seconds
    every = [each for here in fleet.pods.values() for each in here]
    waits = [pods.available_in(each.view, least, fleet.now) for each in every]
    waits += [_patience(fleet, each) for each in every if pods.is_finished(each.view)]
    soonest = min((wait for wait in waits if wait), default=0.0)
    return [Again(soonest)] if soonest else []


def _concerned(child: Object, view: View) -> Iterable[str]:
    """The DaemonSet that controls a Pod or revision; for an orphan, all that might adopt it."""
    owner = pods.controller_of(child.view.metadata)
    if owner is not None:
        return (_key(child.head.namespace, owner.name),) if owner.kind == "DaemonSet" else ()
    return [
        each.key
        for each in view.of(DAEMONSETS).list(child.head.namespace)
        if (selector := each.view.spec.selector) is not None and matches(selector, child.head.labels)
    ]


def _everywhere(node: Object, view: View) -> Iterable[str]:
    return [each.key for each in view.of(DAEMONSETS).list()]


def _key(namespace: str, name: str) -> str:
    return key_of(DAEMONSETS.group, DAEMONSETS.plural, namespace, name)


CONTROLLER = Controller(
    name="daemonset",
    component="daemonset-controller",
    reconcile=reconcile,
    resource=DAEMONSETS,
    watches=(
        Watch(PODS, _concerned, pods.same_standing),
        Watch(NODES, _everywhere, placing.same_place),
        Watch(CONTROLLERREVISIONS, _concerned),
    ),
)
