"""Claims get volumes: a PersistentVolumeClaim is bound to the volume it names, that is reserved for it, or that fits.

The volume is written first (`claimRef`, under its resourceVersion, so nobody takes it twice), then the claim, then its
status; whoever dies in between is continued from what is written. Claims of a class that waits for its first consumer
are left to the scheduler, which reserves a volume or names a node; a class with a provisioner gets the claim's
annotation. What becomes of volumes is in `persistentvolumereclaimer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.objects import Object, key_of
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from podling.reconcile import volumes, volumesprovisioning
from podling.reconcile.action import Action, Again, Group, Plan, Remember, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View
from podling.reconcile.volumes import BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE

TOLD_AGAIN = 900.0
"""Seconds after which a claim that still waits says why once more: events do not live for ever."""
CLAIM_LOST = "ClaimLost"


def reconcile(found: Object, view: View) -> Plan:
    """The next writes; each wakes the claim again until nothing is left to do."""
    claim: PersistentVolumeClaim = found.view
    if BIND_COMPLETED in claim.metadata.annotations:
        return _bound(found, view)
    return () if found.head.deleting else _unbound(found, view)


def _bound(found: Object, view: View) -> Plan:
    name = found.view.spec.volume_name
    if not name:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return _lost(found, CLAIM_LOST, text)
    volume = view.of(PERSISTENTVOLUMES).get("", name)
    if volume is None:
        return _lost(found, CLAIM_LOST, "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    held_by = volume.view.spec.claim_ref
    if held_by is not None and held_by.uid != found.head.uid:
        text = "Two claims are bound to the same volume, this one is bound incorrectly"
        return _lost(found, "ClaimMisbound", text)
    return _bind(found, volume)


def _unbound(found: Object, view: View) -> Plan:
    claim: PersistentVolumeClaim = found.view
    name = claim.spec.volume_name
    if name:
        return _named(found, view.of(PERSISTENTVOLUMES).get("", name), view)
    made_by = volumes.storage_class(view, volumes.claim_class(claim))
    waits = volumes.waits_for_consumer(made_by)
    volume = volumes.best(claim, view.of(PERSISTENTVOLUMES).list(), reserved_only=waits)
    if volume is not None:
        return _bind(found, volume)
    if not volumes.has_class(claim) and (default := volumes.default_class(view)):
        body = found.json()
        body["spec"]["storageClassName"] = default
        return ([_write(found, body)],)
    return _unmatched(found, made_by, waits, view)


def _named(found: Object, volume: Object | None, view: View) -> Plan:
    """The claim says which volume it wants."""
    if volume is None:
        return _pending(found)
    if volume.view.spec.claim_ref is None:
        why = volumes.mismatch(volume.view, found.view)
        if not why:
            return _bind(found, volume)
        text = f'Cannot bind to requested volume "{volume.head.name}": {why}'
        return (*_pending(found), *_told(found, "Warning", "VolumeMismatch", text, view))
    if volumes.reserved_for(volume.view, found.view):
        return _bind(found, volume)
    text = f'volume "{volume.head.name}" already bound to a different claim.'
    return (*_pending(found), *_told(found, "Warning", "FailedBinding", text, view))


def _unmatched(found: Object, made_by: volumes.Json | None, waits: bool, view: View) -> Plan:
    """No volume fits: who is to make one, or what is waited for."""
    claim: PersistentVolumeClaim = found.view
    if waits and SELECTED_NODE not in claim.metadata.annotations:
        return (*_pending(found), *_told(found, "Normal", *_awaited(claim, view), view))
    name = volumes.claim_class(claim)
    if not name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return (*_pending(found), *_told(found, "Normal", "FailedBinding", text, view))
    if made_by is None:
        text = f'storageclass.storage.k8s.io "{name}" not found'
        return _told(found, "Warning", "ProvisioningFailed", text, view)
    named = str(made_by.get("provisioner", ""))
    external = volumesprovisioning.provisioner(named)
    if not external:
        text = f"no volume plugin matched name: {named}"
        return _told(found, "Warning", "ProvisioningFailed", text, view)
    told = _told(found, "Normal", "ExternalProvisioning", volumesprovisioning.waiting_for(external), view)
    return (*_annotated(found, external), *told)


def _awaited(claim: PersistentVolumeClaim, view: View) -> tuple[str, str]:
    pods = volumes.unscheduled_users(claim, view.of(PODS).list(claim.metadata.namespace))
    if not pods:
        return "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
    many = "s" if len(pods) > 1 else ""
    return "WaitForPodScheduled", f"waiting for pod{many} {','.join(pods)} to be scheduled"


def _annotated(found: Object, external: str) -> Iterable[Group]:
    body = found.json()
    annotations = body["metadata"].setdefault("annotations", {})
    wanted = {volumesprovisioning.BETA_PROVISIONER: external, volumesprovisioning.PROVISIONER: external}
    if wanted.items() <= annotations.items():
        return ()
    annotations |= wanted
    return ([_write(found, body)],)


def _bind(found: Object, volume: Object) -> Plan:
    """Volume, claim, status: what is not written yet."""
    writes: list[Group] = [*_reserve(volume, found)]
    body = found.json()
    annotations = body["metadata"].setdefault("annotations", {})
    before = (body["spec"].get("volumeName"), annotations.get(BIND_COMPLETED))
    if before[0] != volume.head.name:
        body["spec"]["volumeName"] = volume.head.name
        annotations.setdefault(BOUND_BY_CONTROLLER, "yes")
    annotations.setdefault(BIND_COMPLETED, "yes")
    if before != (body["spec"]["volumeName"], annotations[BIND_COMPLETED]):
        return (*writes, [_write(found, body)])
    return (*writes, *_status(found, _status_of(found.json().get("status") or {}, volume)))


def _reserve(volume: Object, found: Object) -> Iterable[Group]:
    held: PersistentVolume = volume.view
    held_by = held.spec.claim_ref
    if held_by is not None and held_by.uid == found.head.uid and volumes.reserved_for(held, found.view):
        return ()
    body = volume.json()
    if not volumes.reserved_for(held, found.view):
        body["metadata"].setdefault("annotations", {})[BOUND_BY_CONTROLLER] = "yes"
    body["spec"]["claimRef"] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": found.head.namespace,
        "name": found.head.name,
        "uid": found.head.uid,
        "resourceVersion": str(found.revision),
    }
    return ([Update(PERSISTENTVOLUMES, "", volume.head.name, body)],)


def _status_of(status: dict[str, Any], volume: Object) -> dict[str, Any]:
    """The status of a claim that has the volume.

    Its capacity is taken when it is bound and not later, for a file system may be smaller than the volume it lies on.
    """
    spec = volume.json()["spec"]
    wanted = status | {"phase": "Bound", "accessModes": spec.get("accessModes") or []}
    if status.get("phase") != "Bound":
        wanted["capacity"] = spec.get("capacity") or {}
        if attributes := spec.get("volumeAttributesClassName"):
            wanted["currentVolumeAttributesClassName"] = attributes
    return wanted


def _lost(found: Object, reason: str, text: str) -> Plan:
    if found.view.status.phase == "Lost":
        return ()
    return (*_phase(found, "Lost"), [Tell(reference(found), "Warning", reason, text)])


def _pending(found: Object) -> Iterable[Group]:
    return _phase(found, "Pending")


def _phase(found: Object, phase: str) -> Iterable[Group]:
    """A phase in which the claim has no volume."""
    status = found.json().get("status") or {}
    gone = ("accessModes", "capacity", "currentVolumeAttributesClassName")
    return _status(found, {name: value for name, value in status.items() if name not in gone} | {"phase": phase})


def _status(found: Object, status: dict[str, Any]) -> Iterable[Group]:
    body = found.json()
    if (body.get("status") or {}) == status:
        return ()
    body["status"] = status
    return ([Update(PERSISTENTVOLUMECLAIMS, found.head.namespace, found.head.name, body, "status")],)


def _write(found: Object, body: dict[str, Any]) -> Update:
    return Update(PERSISTENTVOLUMECLAIMS, found.head.namespace, found.head.name, body)


def _told(found: Object, kind: str, reason: str, text: str, view: View) -> Iterable[Group]:
    """Tells why the claim waits: when that changes, and once in a while."""
    told, when = view.remembered or ("", 0.0)
    left = when + TOLD_AGAIN - view.now
    if told == (reason, text) and left > 0:
        return ([Again(left)],)
    actions: list[Action] = [Tell(reference(found), kind, reason, text), Again(TOLD_AGAIN)]
    return ([*actions, Remember(((reason, text), view.now))],)


def _of_volume(changed: Object, view: View) -> Iterable[str]:
    """The claim that has it; of a free or new one, the claims that could have it or name it."""
    volume: PersistentVolume = changed.view
    if volume.spec.claim_ref is not None:
        yield _key(volume.spec.claim_ref.namespace, volume.spec.claim_ref.name)
    if volume.status.phase not in ("", "Pending", "Available"):
        return
    for each in _waiting(view):
        claim: PersistentVolumeClaim = each.view
        if claim.spec.volume_name == changed.head.name or volumes.is_free_for(volume, claim):
            yield each.key


def _of_class(changed: Object, view: View) -> Iterable[str]:
    for each in _waiting(view):
        if volumes.claim_class(each.view) == changed.head.name or not volumes.has_class(each.view):
            yield each.key


def _of_pod(changed: Object, view: View) -> Iterable[str]:
    """Claims that wait for somebody to use them."""
    for name in volumes.claims_of(changed):
        claim = view.of(PERSISTENTVOLUMECLAIMS).get(changed.head.namespace, name)
        if claim is not None and BIND_COMPLETED not in claim.view.metadata.annotations:
            yield claim.key


def _waiting(view: View) -> Iterable[Object]:
    found = view.of(PERSISTENTVOLUMECLAIMS).list()
    return (each for each in found if BIND_COMPLETED not in each.view.metadata.annotations)


def _key(namespace: str, name: str) -> str:
    return key_of(PERSISTENTVOLUMECLAIMS.group, PERSISTENTVOLUMECLAIMS.plural, namespace, name)


def _only_comings_and_goings(old: Object, new: Object) -> bool:
    return bool(old.view.spec.node_name == new.view.spec.node_name)


CONTROLLER = Controller(
    name="persistentvolume-binder",
    component="persistentvolume-controller",
    reconcile=reconcile,
    resource=PERSISTENTVOLUMECLAIMS,
    watches=(
        Watch(PERSISTENTVOLUMES, _of_volume),
        Watch(STORAGECLASSES, _of_class),
        Watch(PODS, _of_pod, alike=_only_comings_and_goings),
    ),
)
