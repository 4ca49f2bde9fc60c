"""Volumes in use stay: the finalizer of a deleted volume is taken off when no claim is bound to it.

(Kubernetes documentation, "Storage Object in Use Protection".)
"""

from __future__ import annotations

from podling.api.objects import Object
from podling.client.resources import PERSISTENTVOLUMES
from podling.reconcile.action import Plan, Update
from podling.reconcile.controller import Controller
from podling.reconcile.view import View

FINALIZER = "kubernetes.io/pv-protection"


def reconcile(found: Object, view: View) -> Plan:
    body = found.json()
    finalizers = body["metadata"].get("finalizers") or []
    if found.head.deleting is (FINALIZER not in finalizers):
        return
    if not found.head.deleting:
        wanted = [*finalizers, FINALIZER]
    elif (body.get("status") or {}).get("phase") == "Bound":
        return
    else:
        wanted = [each for each in finalizers if each != FINALIZER]
    body["metadata"]["finalizers"] = wanted
    yield [Update(PERSISTENTVOLUMES, "", found.head.name, body)]


CONTROLLER = Controller(
    name="persistentvolume-protection",
    component="pv-protection-controller",
    reconcile=reconcile,
    resource=PERSISTENTVOLUMES,
    aside=True,
)
