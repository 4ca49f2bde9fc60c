"""Generic ephemeral volumes: each Pod gets a claim of its own, `<pod>-<volume>`, that goes with it.

A claim of that name which the Pod does not own is left alone and the Pod told (Kubernetes documentation, "Generic
ephemeral volumes": naming). Deletion is the garbage collector's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.objects import Object, key_of
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from podling.reconcile import claiming
from podling.reconcile.action import Action, Again, Create, Plan, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.pods import controller_of
from podling.reconcile.view import View

Json = dict[str, Any]
RETRY = 30.0
"""Seconds after which it is looked whether a claim that is in the way is gone."""


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    volumes: list[Json] = found.json()["spec"].get("volumes") or []
    actions = [action for each in volumes if each.get("ephemeral") for action in _actions(found, each, view)]
    if actions:
        yield actions


def _actions(found: Object, volume: Json, view: View) -> Iterable[Action]:
    """The claim of one volume, where there is none."""
    namespace, name = found.head.namespace, f"{found.head.name}-{volume['name']}"
    known = view.of(PERSISTENTVOLUMECLAIMS).get(namespace, name)
    if known is None:
        failed = _told(found, volume, f"create PVC {name}: {{error}}")
        template = volume["ephemeral"].get("volumeClaimTemplate") or {}
        yield Create(PERSISTENTVOLUMECLAIMS, namespace, _body(found, name, template), failed=failed)
        return
    owner = controller_of(known.view.metadata)
    if owner is None or owner.uid != found.head.uid:
        why = f"PVC {namespace}/{name} was not created for pod {namespace}/{found.head.name} (pod is not owner)"
        yield from (_told(found, volume, why), Again(RETRY))


def _body(found: Object, name: str, template: Json) -> Json:
    said = template.get("metadata") or {}
    metadata = {key: said[key] for key in ("annotations", "labels") if said.get(key)}
    metadata |= {
        "name": name,
        "namespace": found.head.namespace,
        "ownerReferences": [claiming.owner_reference(found)],
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": template.get("spec") or {},
    }


def _told(found: Object, volume: Json, why: str) -> Tell:
    return Tell(reference(found), "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {why}")


def _has_some(found: Object) -> bool:
    return any(each.ephemeral is not None for each in found.view.spec.volumes)


def _owners_pod(changed: Object, _: View) -> Iterable[str]:
    owner = controller_of(changed.view.metadata)
    if owner is not None and owner.kind == "Pod":
        yield key_of(PODS.group, PODS.plural, changed.head.namespace, owner.name)


def _same_volumes(old: Object, new: Object) -> bool:
    """Volumes of a Pod never change: after its creation only its claims are news."""
    return old.head.uid == new.head.uid


def _same_claim(old: Object, new: Object) -> bool:
    return old.head.uid == new.head.uid and old.head.owners == new.head.owners


CONTROLLER = Controller(
    name="ephemeral-volume",
    component="ephemeral_volume",
    reconcile=reconcile,
    resource=PODS,
    watches=(Watch(PERSISTENTVOLUMECLAIMS, _owners_pod, alike=_same_claim),),
    relevant=_has_some,
    alike=_same_volumes,
)
