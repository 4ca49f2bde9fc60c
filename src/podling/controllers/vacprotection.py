"""Volume attributes classes in use stay: the finalizer of a deleted one goes when no claim and no volume names it.

(Kubernetes documentation, "Volume Attributes Classes".)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from podling.api.objects import Object, key_of
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES
from podling.reconcile.action import Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

FINALIZER = "kubernetes.io/vac-protection"


def reconcile(found: Object, view: View) -> Plan:
    finalizers = list(found.view.metadata.finalizers)
    if found.head.deleting is (FINALIZER not in finalizers):
        return
    if not found.head.deleting:
        wanted = [*finalizers, FINALIZER]
    elif _used(found.head.name, view):
        return
    else:
        wanted = [each for each in finalizers if each != FINALIZER]
    body = found.json()
    body["metadata"]["finalizers"] = wanted
    yield [Update(VOLUMEATTRIBUTESCLASSES, "", found.head.name, body)]


def _used(name: str, view: View) -> bool:
    users = (each for resource in (PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES) for each in view.of(resource).list())
    return any(name in _names(each.json()) for each in users)


def _names(body: dict[str, Any]) -> Iterator[str]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    yield spec.get("volumeAttributesClassName") or ""
    yield status.get("currentVolumeAttributesClassName") or ""
    yield (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName") or ""


def _classes(user: Object, _: View) -> Iterable[str]:
    if b"olumeAttributesClassName" in user.raw:
        for name in _names(user.json()):
            if name:
                yield key_of(VOLUMEATTRIBUTESCLASSES.group, VOLUMEATTRIBUTESCLASSES.plural, "", name)


CONTROLLER = Controller(
    name="volumeattributesclass-protection",
    component="volumeattributesclass-protection-controller",
    reconcile=reconcile,
    resource=VOLUMEATTRIBUTESCLASSES,
    watches=(Watch(PERSISTENTVOLUMECLAIMS, _classes), Watch(PERSISTENTVOLUMES, _classes)),
    aside=True,
)
