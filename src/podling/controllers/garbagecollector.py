"""The garbage collector: objects whose owners are gone go too, in the way their deletion asked for.

The key is any object of any kind. Three things can bring it here: an owner that is absent (delete it, or take the
reference away while another owner stands), its own foreground deletion (its dependents go first), its own orphaning
deletion (its dependents lose the reference). That an owner is really absent is asked of the API before anything is
deleted: informers of different kinds may lag differently. (The documentation's "Garbage Collection".)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podling.api.kinds.meta import OwnerReference
from podling.api.objects import Object
from podling.client.rest import Propagation
from podling.reconcile.action import Absent, Action, Delete, Patch, Plan, Tell, reference
from podling.reconcile.controller import Controller
from podling.reconcile.view import Served, View

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class Owner(msgspec.Struct, frozen=True):
    """What is known of one ownerReference. `served` is None where nobody serves such a kind."""

    reference: OwnerReference
    served: Served | None
    found: Object | None

    @property
    def namespace_mismatch(self) -> bool:
        return self.found is None and self.served is not None and self.served.namespaced


class Dependent(msgspec.Struct, frozen=True):
    served: Served
    found: Object


def reconcile(found: Object, view: View) -> Plan:
    served = _served(found, view)
    if served is None:
        return
    finalizers = found.view.metadata.finalizers
    if found.head.deleting:
        if FOREGROUND in finalizers:
            yield from _foreground(found, served, view)
        elif ORPHAN in finalizers:
            yield from _orphan(found, served, view)
        return
    if found.head.owners:
        yield from _owned(found, served, view)


def _owned(found: Object, served: Served, view: View) -> Plan:
    owners = [_owner(found, each, view) for each in found.view.metadata.owner_references]
    absent = [each for each in owners if each.found is None and each.served is not None]
    unknown = [each for each in owners if each.served is None]
    waiting = [each for each in owners if _waits_for(each)]
    solid = [each for each in owners if each.found is not None and each not in waiting]
    if unknown or not (absent or waiting):
        return
    yield [*_strangers(found, absent), *(_check(found, each) for each in absent)]
    if solid:
        yield [_without(found, served, [each.reference.uid for each in (*absent, *waiting)])]
    elif waiting and (dependents := _dependents(found, view)):
        if any(FOREGROUND in each.found.view.metadata.finalizers for each in dependents if each.found.head.deleting):
            # A circle, perhaps: everybody would wait for everybody. This one holds up nobody any more.
            yield [_unblocking(found, served)]
        else:
            yield [_deletion(found, served, "Foreground")]
    else:
        yield [_deletion(found, served, _policy(found))]


def _foreground(found: Object, served: Served, view: View) -> Plan:
    """Dependents that block the deletion are deleted by their own keys; the last of them frees this one."""
    if not any(_blocks(each.found, found.head.uid) for each in _dependents(found, view)):
        yield [_unfinalize(found, served, FOREGROUND)]


def _orphan(found: Object, served: Served, view: View) -> Plan:
    dependents = _dependents(found, view)
    if dependents:
        yield [_without(each.found, each.served, [found.head.uid]) for each in dependents]
    yield [_unfinalize(found, served, ORPHAN)]


def _served(found: Object, view: View) -> Served | None:
    group, plural, _ = found.key.split("/", 2)
    served = view.served.of_plural(group, plural)
    return served if served is not None and "delete" in served.verbs else None


def _owner(found: Object, owner: OwnerReference, view: View) -> Owner:
    """An owner is looked for in the dependent's own namespace, or among cluster-scoped objects; by uid."""
    group = owner.api_version.rpartition("/")[0]
    served = view.served.of_kind(group, owner.kind)
    if served is None:
        return Owner(owner, None, None)
    namespace = found.head.namespace if served.namespaced else ""
    known = view.of(served.resource).get(namespace, owner.name)
    return Owner(owner, served, known if known is not None and known.head.uid == owner.uid else None)


def _waits_for(owner: Owner) -> bool:
    """The owner is being deleted in the foreground and this reference holds it up."""
    return (
        owner.found is not None
        and owner.found.head.deleting
        and FOREGROUND in owner.found.view.metadata.finalizers
        and bool(owner.reference.block_owner_deletion)
    )


def _check(found: Object, owner: Owner) -> Absent:
    assert owner.served is not None
    namespace = found.head.namespace if owner.served.namespaced else ""
    return Absent(owner.served.resource, namespace, owner.reference.name, owner.reference.uid)


def _strangers(found: Object, absent: Iterable[Owner]) -> list[Action]:
    """An owner in another namespace (or a namespaced owner of a cluster-scoped object) is no owner: say so."""
    if found.head.namespace:
        return []
    about = reference(found)
    return [
        Tell(
            about,
            "Warning",
            "OwnerRefInvalidNamespace",
            f"ownerRef [{owner.reference.api_version}/{owner.reference.kind}, namespace: , name: "
            f'{owner.reference.name}, uid: {owner.reference.uid}] does not exist in namespace ""',
        )
        for owner in absent
        if owner.namespace_mismatch
    ]


def _dependents(found: Object, view: View) -> list[Dependent]:
    return [
        Dependent(served, each)
        for served in view.served
        if "delete" in served.verbs
        for each in view.of(served.resource).owned(found.head.uid)
        if not found.head.namespace or each.head.namespace == found.head.namespace
    ]


def _blocks(dependent: Object, uid: str) -> bool:
    return any(each.uid == uid and each.block_owner_deletion for each in dependent.view.metadata.owner_references)


def _policy(found: Object) -> Propagation:
    """How an object wants to go: what its finalizers say."""
    finalizers = found.view.metadata.finalizers
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"


def _deletion(found: Object, served: Served, propagation: Propagation) -> Delete:
    head = found.head
    # The revision is a precondition too: a new owner that came meanwhile keeps the object.
    return Delete(served.resource, head.namespace, head.name, head.uid, propagation, revision=found.revision)


def _without(found: Object, served: Served, uids: list[str]) -> Patch:
    references: list[dict[str, Any]] = found.json()["metadata"].get("ownerReferences") or []
    kept = [each for each in references if each["uid"] not in uids]
    body = {"metadata": {"uid": found.head.uid, "resourceVersion": str(found.revision), "ownerReferences": kept}}
    return Patch(served.resource, found.head.namespace, found.head.name, body)


def _unblocking(found: Object, served: Served) -> Patch:
    references: list[dict[str, Any]] = found.json()["metadata"].get("ownerReferences") or []
    free = [each | {"blockOwnerDeletion": False} for each in references]
    body = {"metadata": {"uid": found.head.uid, "resourceVersion": str(found.revision), "ownerReferences": free}}
    return Patch(served.resource, found.head.namespace, found.head.name, body)


def _unfinalize(found: Object, served: Served, finalizer: str) -> Patch:
    kept = [each for each in found.view.metadata.finalizers if each != finalizer]
    body = {"metadata": {"uid": found.head.uid, "resourceVersion": str(found.revision), "finalizers": kept}}
    return Patch(served.resource, found.head.namespace, found.head.name, body)


def _related(changed: Object, view: View) -> Iterable[str]:
    """The dependents of what was deleted or is being deleted, and the owners that wait for it."""
    if view.owns(changed.head.uid) and (changed.head.deleting or _is_gone(changed, view)):
        for served in view.served:
            yield from (each.key for each in view.of(served.resource).owned(changed.head.uid))
    if not changed.head.owners:
        return
    for owner in changed.view.metadata.owner_references:
        known = _owner(changed, owner, view).found
        if known is not None and known.head.deleting:
            yield known.key


def _is_gone(changed: Object, view: View) -> bool:
    """Nothing is left under its name, or another object."""
    served = _served(changed, view)
    if served is None:
        return False
    known = view.of(served.resource).by_key(changed.key)
    return known is None or known.head.uid != changed.head.uid


def _relevant(found: Object) -> bool:
    return found.head.deleting or bool(found.head.owners)


def _alike(old: Object, new: Object) -> bool:
    """Neither owners nor deletion changed: nothing follows for it, its dependents or its owners."""
    if new.head.deleting or old.head.deleting or old.head.uid != new.head.uid:
        return False
    return old.head.owners == new.head.owners and (
        not new.head.owners or old.view.metadata.owner_references == new.view.metadata.owner_references
    )


CONTROLLER = Controller(
    name="garbage-collector",
    component="garbage-collector-controller",
    reconcile=reconcile,
    everything=True,
    relevant=_relevant,
    related=_related,
    alike=_alike,
    newcomers=_relevant,
)
