"""Which Pods are a controller's own: adoption of orphans that its selector matches, release of those it no longer does.

Only a controllerRef makes a Pod one's own; a Pod controlled by somebody else is never touched, whatever its labels.
What holds for Pods holds for the ReplicaSets of a Deployment and for the revisions of a StatefulSet.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import msgspec

from podling.api.kinds.meta import LabelSelector
from podling.api.objects import Object
from podling.client.indexed import Lister
from podling.client.resources import PODS
from podling.client.transport import Resource
from podling.reconcile import pods
from podling.reconcile.action import Action, Group, Patch, Present
from podling.reconcile.batches import SLICE, evenly
from podling.reconcile.selectors import matches, select


class Claim(msgspec.Struct, frozen=True):
    """`owned` counts from now on; `adopt` and `release` have to be written."""

    owned: tuple[Object, ...]
    adopt: tuple[Object, ...] = ()
    release: tuple[Object, ...] = ()


def active_pod(found: Object) -> bool:
    return pods.is_active(found.view)


def standing(found: Object) -> bool:
    return not found.head.deleting


def claim(
    owner: Object, selector: LabelSelector, lister: Lister, adoptable: Callable[[Object], bool] = active_pod
) -> Claim:
    """Sorted by creation and name, so that every decision that follows is the same in every run."""
    owned, release = _sorted(owner, selector, lister.owned(owner.head.uid))
    adopt: list[Object] = []
    if not owner.head.deleting:
        adopt = _orphans(owner, select(lister, owner.head.namespace, selector), adoptable)
    return Claim(ordered(owned), ordered(adopt), () if owner.head.deleting else ordered(release))


def in_slices(
    owner: Object, selector: LabelSelector, lister: Lister, adoptable: Callable[[Object], bool] = active_pod
) -> Generator[Group, Any, Claim]:
    """The same of ten thousand objects, with pauses; what is owned comes in no order."""
    owned, release, adopt = list[Object](), list[Object](), list[Object]()
    for some in evenly(lister.owned(owner.head.uid), SLICE):
        mine, strangers = _sorted(owner, selector, some)
        owned, release = owned + mine, release + strangers
        yield []
    if not owner.head.deleting:
        for some in evenly(select(lister, owner.head.namespace, selector), 4 * SLICE):
            adopt += _orphans(owner, some, adoptable)
            yield []
    return Claim(tuple(owned), ordered(adopt), () if owner.head.deleting else ordered(release))


def _sorted(owner: Object, selector: LabelSelector, some: Iterable[Object]) -> tuple[list[Object], list[Object]]:
    """Those to be kept, and those to be let go."""
    owned, release = list[Object](), list[Object]()
    for each in some:
        if _controlled_by(each, owner):
            (owned if each.head.deleting or matches(selector, each.head.labels) else release).append(each)
    return owned, release


def _orphans(owner: Object, some: Iterable[Object], adoptable: Callable[[Object], bool]) -> list[Object]:
    uid = owner.head.uid
    return [each for each in some if uid not in each.head.owners and _orphan(each) and adoptable(each)]


def groups(claimed: Claim, owner: Object, resource: Resource, of: Resource = PODS) -> list[Group]:
    """The writes on objects `of`; adoption asks first whether the owner, one of `resource`, still stands."""
    out: list[Group] = []
    if claimed.adopt:
        out.append([Present(resource, owner.head.namespace, owner.head.name, owner.head.uid)])
    writes: list[Action] = [_adoption(pod, owner, of) for pod in claimed.adopt]
    writes += [_release(pod, owner, of) for pod in claimed.release]
    return [*out, writes] if writes else out


def owner_reference(owner: Object) -> dict[str, Any]:
    view = owner.view
    return {
        "apiVersion": view.api_version,
        "kind": view.kind,
        "name": owner.head.name,
        "uid": owner.head.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _adoption(pod: Object, owner: Object, of: Resource) -> Patch:
    body = {"metadata": {"ownerReferences": [owner_reference(owner)], "uid": pod.head.uid}}
    return Patch(of, pod.head.namespace, pod.head.name, body, kind="strategic-merge")


def _release(pod: Object, owner: Object, of: Resource) -> Patch:
    reference = {"$patch": "delete", "uid": owner.head.uid}
    body = {"metadata": {"ownerReferences": [reference], "uid": pod.head.uid}}
    return Patch(of, pod.head.namespace, pod.head.name, body, kind="strategic-merge")


def _controlled_by(each: Object, owner: Object) -> bool:
    reference = pods.controller_of(each.view.metadata)
    return reference is not None and reference.uid == owner.head.uid


def _orphan(each: Object) -> bool:
    return pods.controller_of(each.view.metadata) is None


def ordered(found: Sequence[Object]) -> tuple[Object, ...]:
    return tuple(sorted(found, key=lambda each: (each.view.metadata.creation_timestamp, each.head.name)))
