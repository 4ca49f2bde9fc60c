"""Volumes show whose they are, and what becomes of them when their claim is gone: kept, deleted or failed.

The other half of `persistentvolumebinder.py`, from the volume's side. Before a volume is called released, the API
itself is asked for its claim, for the informer may lag behind whoever wrote the reservation. Data is never touched:
volumes of an external provisioner are deleted by it, and no plugin here scrubs or recycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.kinds.core.references import ObjectReference
from podling.api.objects import Object, key_of
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.env import rfc3339
from podling.reconcile import volumes, volumesprovisioning
from podling.reconcile.action import Again, Ask, Asking, Delete, Group, Plan, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View
from podling.reconcile.volumes import BOUND_BY_CONTROLLER, MIGRATED_TO, PROVISIONED_BY

RETRY = 1.0
UNFINISHED = 15.0
"""Seconds after which a binding that is not finished is looked at again."""
OVER = ("Released", "Failed")
DELETABLE = "/tmp/"
"""Where the paths begin that upstream's plugin for host paths may delete."""


def reconcile(found: Object, view: View) -> Asking:
    volume: PersistentVolume = found.view
    held_by = volume.spec.claim_ref
    if held_by is None or not held_by.uid:
        yield from _phase(found, "Available", view)
        return
    claim = view.of(PERSISTENTVOLUMECLAIMS).get(held_by.namespace, held_by.name)
    if claim is None or claim.head.uid != held_by.uid:
        if _at_rest(volume):
            return
        (answer,) = yield [Ask(PERSISTENTVOLUMECLAIMS.path(held_by.namespace, held_by.name))]
        if _is_gone(answer, held_by):
            yield from _released(found, view)
        else:
            yield [Again(RETRY)]
    elif claim.view.spec.volume_name == found.head.name:
        yield from _phase(found, "Bound", view)
    elif claim.view.spec.volume_name:
        yield from _bound_elsewhere(found, view)
    else:
        yield from _half_bound(found, claim)


def _at_rest(volume: PersistentVolume) -> bool:
    """Nothing more follows from the claim's absence."""
    policy = volume.spec.persistent_volume_reclaim_policy
    return volume.status.phase == "Failed" or (volume.status.phase == "Released" and policy == "Retain")


def _is_gone(answer: dict[str, Any] | ApiError, held_by: ObjectReference) -> bool:
    if isinstance(answer, ApiError):
        return isinstance(answer, NotFound)
    return bool(answer["metadata"].get("uid") != held_by.uid)


def _half_bound(found: Object, claim: Object) -> Plan:
    """The claim's side is yet to be written, by the binder, which is woken by the volume itself."""
    if not volumes.modes_differ(found.view, claim.view):
        return ([Again(UNFINISHED)],)
    why = "due to incompatible volumeMode."
    name = f'"{claim.head.namespace}/{claim.head.name}"'
    about_volume = f"Cannot bind PersistentVolume to requested PersistentVolumeClaim {name} {why}"
    about_claim = f'Cannot bind PersistentVolume "{found.head.name}" to requested PersistentVolumeClaim {name} {why}'
    return (
        [
            Tell(reference(found), "Warning", "VolumeMismatch", about_volume),
            Tell(reference(claim), "Warning", "VolumeMismatch", about_claim),
        ],
    )


def _bound_elsewhere(found: Object, view: View) -> Plan:
    """The claim has another volume: one that was made for it is not needed, others are set free."""
    volume: PersistentVolume = found.view
    if PROVISIONED_BY in volume.metadata.annotations and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _released(found, view)
    body = found.json()
    if BOUND_BY_CONTROLLER in volume.metadata.annotations:
        del body["spec"]["claimRef"], body["metadata"]["annotations"][BOUND_BY_CONTROLLER]
    else:
        body["spec"]["claimRef"].pop("uid", None)
    return ([Update(PERSISTENTVOLUMES, "", found.head.name, body)],)


def _released(found: Object, view: View) -> Plan:
    volume: PersistentVolume = found.view
    if volume.status.phase not in OVER:
        return _phase(found, "Released", view)
    policy = volume.spec.persistent_volume_reclaim_policy
    if MIGRATED_TO in volume.metadata.annotations or policy == "Retain":
        return ()
    if policy == "Delete":
        return _deleted(found, view)
    if policy == "Recycle":
        return _failed(found, "VolumeFailedRecycle", "No recycler plugin found for the volume!", view)
    text = "Volume has an unrecognized PersistentVolumeReclaimPolicy"
    return _failed(found, "VolumeUnknownReclaimPolicy", text, view)


def _deleted(found: Object, view: View) -> Plan:
    volume: PersistentVolume = found.view
    made_by = volume.metadata.annotations.get(PROVISIONED_BY, "")
    if made_by and volumesprovisioning.provisioner(made_by):
        return ()
    if volume.spec.host_path is None:
        why = "no deletable volume plugin matched"
        text = f'error getting deleter volume plugin for volume "{found.head.name}": {why}'
        return _failed(found, "VolumeFailedDelete", text, view)
    path = volume.spec.host_path.path
    if not path.startswith(DELETABLE) or path == DELETABLE:
        text = f"host_path deleter only supports /tmp/.+ but received provided {path}"
        return _failed(found, "VolumeFailedDelete", text, view)
    return () if found.head.deleting else ([Delete(PERSISTENTVOLUMES, "", found.head.name, found.head.uid)],)


def _failed(found: Object, reason: str, text: str, view: View) -> Plan:
    return (*_phase(found, "Failed", view, text), [Tell(reference(found), "Warning", reason, text)])


def _phase(found: Object, phase: str, view: View, message: str = "") -> Iterable[Group]:
    if found.view.status.phase == phase:
        return ()
    body = found.json()
    status = {name: value for name, value in (body.get("status") or {}).items() if name != "message"}
    status |= {"phase": phase, "lastPhaseTransitionTime": rfc3339(view.now)}
    body["status"] = status | ({"message": message} if message else {})
    return ([Update(PERSISTENTVOLUMES, "", found.head.name, body, "status")],)


def _of_claim(changed: Object, _: View) -> Iterable[str]:
    name = changed.view.spec.volume_name
    if name:
        yield key_of(PERSISTENTVOLUMES.group, PERSISTENTVOLUMES.plural, "", name)


def _same_binding(old: Object, new: Object) -> bool:
    return old.view.spec.volume_name == new.view.spec.volume_name and old.head.uid == new.head.uid


CONTROLLER = Controller(
    name="persistentvolume-reclaimer",
    component="persistentvolume-controller",
    reconcile=reconcile,
    resource=PERSISTENTVOLUMES,
    watches=(Watch(PERSISTENTVOLUMECLAIMS, _of_claim, alike=_same_binding),),
)
