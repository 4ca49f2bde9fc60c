"""Volumes that this cluster made itself grow with their claims.

A folder is as large as the node's disk, so nothing has to be done on the node: the volume says its new capacity, then
the claim does, with the events of an external resizer (Kubernetes documentation, "Expanding Persistent Volumes
Claims").
"""

from __future__ import annotations

from podling.api import quantity
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.objects import Object
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.reconcile.action import Plan, Tell, Update, reference
from podling.reconcile.controller import Controller
from podling.reconcile.hostpathvolumes import NAME, is_ours
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    if not _asks_for_more(found):
        return
    volume = view.of(PERSISTENTVOLUMES).get("", found.view.spec.volume_name)
    held_by = None if volume is None else volume.view.spec.claim_ref
    if volume is None or held_by is None or held_by.uid != found.head.uid or not is_ours(volume.view):
        return
    about, asked = reference(found), found.view.spec.resources.requests["storage"]
    if quantity.of(asked) > quantity.of(volume.view.spec.capacity["storage"]):
        larger = volume.json()
        larger["spec"]["capacity"]["storage"] = asked
        told = f"External resizer is resizing volume {volume.head.name}"
        yield [Tell(about, "Normal", "Resizing", told), Update(PERSISTENTVOLUMES, "", volume.head.name, larger)]
    body = found.json()
    status = body["status"]
    status["capacity"]["storage"] = status.setdefault("allocatedResources", {})["storage"] = asked
    yield [Update(PERSISTENTVOLUMECLAIMS, found.head.namespace, found.head.name, body, "status")]
    yield [Tell(about, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")]


def _asks_for_more(found: Object) -> bool:
    claim: PersistentVolumeClaim = found.view
    asked, held = claim.spec.resources.requests.get("storage"), claim.status.capacity.get("storage")
    if claim.status.phase != "Bound" or asked is None or held is None:
        return False
    return quantity.of(asked) > quantity.of(held)


CONTROLLER = Controller(
    name="hostpath-resizer",
    component=NAME,
    reconcile=reconcile,
    resource=PERSISTENTVOLUMECLAIMS,
    reads=(PERSISTENTVOLUMES,),
    relevant=_asks_for_more,
)
