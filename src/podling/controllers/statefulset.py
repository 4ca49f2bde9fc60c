"""StatefulSet: Pods with names, numbered, made in order and taken away in the order back.

OrderedReady does one thing at a time and only when all before it are ready; Parallel waits for nobody when it scales.
An update goes from the highest ordinal down to the partition, one Pod at a time or as many as `maxUnavailable` allows.
Templates are remembered as ControllerRevisions (`reconcile/history.py`); names and claims are in `ordinals.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podling.api.kinds.apps.statefulset import StatefulSet
from podling.api.objects import Object, key_of
from podling.client.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from podling.reconcile import claiming, history, ordinals, pods, shares, statuses
from podling.reconcile.action import Action, Again, Group, Plan
from podling.reconcile.batches import slow_start
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.history import History
from podling.reconcile.selectors import matches
from podling.reconcile.view import View

Json = dict[str, Any]


class Members(msgspec.Struct, frozen=True):
    """The Pods by ordinal. `current` and `update` name the revisions that Pods may have."""

    owner: Object
    by_ordinal: Mapping[int, Object]
    current: str
    update: str
    now: float

    @property
    def spec(self) -> Any:
        view: StatefulSet = self.owner.view
        return view.spec

    @property
    def wanted(self) -> range:
        start = self.spec.ordinals.start if self.spec.ordinals is not None else 0
        return range(start, start + (1 if self.spec.replicas is None else self.spec.replicas))

    @property
    def condemned(self) -> list[int]:
        """The highest first: so they go."""
        return sorted((each for each in self.by_ordinal if each not in self.wanted), reverse=True)

    @property
    def partition(self) -> int:
        rolling = self.spec.update_strategy.rolling_update
        return (rolling.partition or 0) if rolling is not None else 0

    def available(self, ordinal: int) -> bool:
        """Running, ready for long enough, and not going."""
        pod = self.by_ordinal.get(ordinal)
        if pod is None or pod.head.deleting or pod.view.status.phase != "Running":
            return False
        return pods.available_in(pod.view, self.spec.min_ready_seconds, self.now) == 0.0

    def revision(self, ordinal: int) -> str:
        return str(self.by_ordinal[ordinal].head.labels.get(history.LABEL, ""))


def reconcile(found: Object, view: View) -> Plan:
    """Groups: claims; revisions; the status; then Pods and their volumes."""
    selector = found.view.spec.selector
    if selector is None:
        return
    of_ours = claiming.claim(found, selector, view.of(CONTROLLERREVISIONS), claiming.standing)
    yield from claiming.groups(of_ours, found, STATEFULSETS, CONTROLLERREVISIONS)
    past = history.of(found, (*of_ours.owned, *of_ours.adopt))
    claimed = claiming.claim(found, selector, view.of(PODS), lambda pod: _is_member(found, pod))
    yield from claiming.groups(claimed, found, STATEFULSETS)
    members = _members(found, (*claimed.owned, *claimed.adopt), past, view.now)
    if found.head.deleting:
        yield _status(members)
        return
    if past.present is None:
        if view.of(CONTROLLERREVISIONS).get(found.head.namespace, past.name) is not None:
            old = found.json().get("status") or {}
            yield statuses.writing(found, STATEFULSETS, old | {"collisionCount": old.get("collisionCount", 0) + 1})
            return
        yield [history.creation(past)]
    live = {members.current, members.update} | {members.revision(each) for each in members.by_ordinal}
    yield [*history.renewal(past), *history.expired(past, live)]
    yield [*_status(members), *_wakes(members)]
    yield from _pods(members, past, view)


def _is_member(found: Object, pod: Object) -> bool:
    return claiming.active_pod(pod) and ordinals.ordinal_of(found, pod) is not None


def _members(found: Object, owned: Iterable[Object], past: History, now: float) -> Members:
    numbered = ((ordinals.ordinal_of(found, pod), pod) for pod in owned)
    by_ordinal = {number: pod for number, pod in numbered if number is not None}
    current = found.view.status.current_revision
    known = current if past.named(current) is not None else past.name
    return Members(found, by_ordinal, known, past.name, now)


def _pods(members: Members, past: History, view: View) -> Iterator[Group]:
    ordered = members.spec.pod_management_policy != "Parallel"
    scaling = list(_fill(members, past)) if not ordered else _first(_fill(members, past, waits=True))
    missing = [each for each in members.wanted if each not in members.by_ordinal]
    condemned = members.condemned
    leaving = condemned if not ordered or not scaling else []
    yield ordinals.retention(members.owner, members.by_ordinal, leaving, view)
    yield ordinals.missing_claims(members.owner, missing if not ordered else missing[:1], view)
    yield from slow_start([each for each in scaling if each is not None])
    if ordered and scaling:
        return
    shrinking = list(_shrink(members, ordered))
    yield [each for each in shrinking if each is not None]
    if not (ordered and shrinking) and members.spec.update_strategy.type != "OnDelete":
        yield [ordinals.deletion(members.owner, members.by_ordinal[each]) for each in _outdated(members)]


def _first(steps: Iterator[Action | None]) -> list[Action | None]:
    """In order: one step, or waiting (None) for what is under way."""
    return [step for _, step in zip(range(1), steps, strict=False)]


def _fill(members: Members, past: History, *, waits: bool = False) -> Iterator[Action | None]:
    """What every wanted ordinal needs; None to wait for it."""
    for ordinal in members.wanted:
        pod = members.by_ordinal.get(ordinal)
        if pod is None:
            yield _creation(members, past, ordinal)
        elif pods.is_finished(pod.view) and not pod.head.deleting:
            yield ordinals.deletion(members.owner, pod)
        elif waits and not members.available(ordinal):
            yield None


def _creation(members: Members, past: History, ordinal: int) -> Action:
    """Below the partition a Pod comes back as it was."""
    old = past.named(members.current)
    rolling = members.spec.update_strategy.type != "OnDelete"
    if rolling and old is not None and ordinal < members.partition:
        return ordinals.creation(members.owner, history.template(old), members.current, ordinal)
    template = members.owner.json()["spec"].get("template") or {}
    return ordinals.creation(members.owner, template, members.update, ordinal)


def _shrink(members: Members, ordered: bool) -> Iterator[Action | None]:
    """In order: one at a time, the highest first; a broken one waits for broken ones below it."""
    unhealthy = [each for each in sorted(members.by_ordinal) if not members.available(each)]
    for ordinal in members.condemned:
        pod = members.by_ordinal[ordinal]
        if not pod.head.deleting and not (ordered and ordinal in unhealthy[1:]):
            yield ordinals.deletion(members.owner, pod)
        elif ordered:
            yield None
        if ordered:
            return


def _outdated(members: Members) -> list[int]:
    """The ordinals to be replaced now, the highest first."""
    rolling = members.spec.update_strategy.rolling_update
    given = rolling.max_unavailable if rolling is not None else None
    most = max(1, shares.resolve(given, len(members.wanted), up=False, missing=1))
    standing = [each for each in reversed(members.wanted) if each in members.by_ordinal]
    unavailable = [each for each in members.wanted if not members.available(each)]
    room = most - sum(members.revision(each) == members.update for each in unavailable if each in standing)
    room -= sum(each not in standing or members.by_ordinal[each].head.deleting for each in members.wanted)
    old = [each for each in standing if each >= members.partition and members.revision(each) != members.update]
    return [each for each in old if not members.by_ordinal[each].head.deleting][: max(0, room)]


def _status(members: Members) -> list[Action]:
    found = members.owner
    standing = [each for each in members.by_ordinal if not members.by_ordinal[each].head.deleting]
    running = [pod for pod in members.by_ordinal.values() if pod.view.status.phase == "Running"]
    updated = sum(members.revision(each) == members.update for each in standing)
    status: Json = {
        "observedGeneration": found.view.metadata.generation,
        "replicas": len(members.by_ordinal),
        "readyReplicas": sum(pods.is_ready(pod.view) for pod in running),
        "availableReplicas": sum(members.available(each) for each in members.by_ordinal),
        "currentReplicas": sum(members.revision(each) == members.current for each in standing),
        "updatedReplicas": updated,
        "currentRevision": members.current,
        "updateRevision": members.update,
    }
    rolling = members.spec.update_strategy.type != "OnDelete"
    if rolling and updated == status["replicas"] == status["readyReplicas"]:
        status |= {"currentReplicas": updated, "currentRevision": members.update}
    if found.view.status.collision_count is not None:
        status["collisionCount"] = found.view.status.collision_count
    kept = ("replicas", "availableReplicas")
    said = {name: value for name, value in status.items() if value or name in kept}
    conditions = statuses.conditions_of(found)
    return statuses.writing(found, STATEFULSETS, said | ({"conditions": conditions} if conditions else {}))


def _wakes(members: Members) -> list[Action]:
    least = members.spec.min_ready_seconds
    waits = [pods.available_in(pod.view, least, members.now) for pod in members.by_ordinal.values()]
    soonest = min((wait for wait in waits if wait), default=0.0)
    return [Again(soonest)] if soonest else []


def _concerned(child: Object, view: View) -> Iterable[str]:
    """The StatefulSet that controls a Pod or revision; for an orphan, all that might adopt it."""
    owner = pods.controller_of(child.view.metadata)
    if owner is not None:
        return (_key(child.head.namespace, owner.name),) if owner.kind == "StatefulSet" else ()
    return [
        each.key
        for each in view.of(STATEFULSETS).list(child.head.namespace)
        if (selector := each.view.spec.selector) is not None and matches(selector, child.head.labels)
    ]


def _key(namespace: str, name: str) -> str:
    return key_of(STATEFULSETS.group, STATEFULSETS.plural, namespace, name)


CONTROLLER = Controller(
    name="statefulset",
    component="statefulset-controller",
    reconcile=reconcile,
    resource=STATEFULSETS,
    watches=(Watch(PODS, _concerned, pods.same_standing), Watch(CONTROLLERREVISIONS, _concerned)),
    reads=(PERSISTENTVOLUMECLAIMS,),
)
