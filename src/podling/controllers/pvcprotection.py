"""Claims in use stay: the finalizer of a deleted claim is taken off when no Pod on a node mounts it any more.

The kubelet starts no Pod whose claim is terminating, so only Pods that have a node count. Before the finalizer goes
the API itself is asked for the Pods, for the informer may lag (Kubernetes documentation, "Storage Object in Use
Protection").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podling.api.errors import ApiError
from podling.api.objects import Object, key_of
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from podling.reconcile.action import Again, Ask, Asking, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

FINALIZER = "kubernetes.io/pvc-protection"
RETRY = 1.0


def reconcile(found: Object, view: View) -> Asking:
    metadata = found.view.metadata
    if not found.head.deleting:
        if FINALIZER not in metadata.finalizers:
            yield [_with(found, [*metadata.finalizers, FINALIZER])]
        return
    if FINALIZER not in metadata.finalizers:
        return
    namespace, name = found.head.namespace, found.head.name
    if any(_mounts(pod.json(), name, metadata) for pod in _candidates(found, view)):
        return
    (answer,) = yield [Ask(PODS.path(namespace))]
    if isinstance(answer, ApiError):
        yield [Again(RETRY)]
    elif not any(_mounts(pod, name, metadata) for pod in answer.get("items") or ()):
        yield [_with(found, [each for each in metadata.finalizers if each != FINALIZER])]


def _candidates(found: Object, view: View) -> Iterable[Object]:
    """The Pods that name the claim, by the typed view: most name none."""
    return (pod for pod in view.of(PODS).list(found.head.namespace) if found.key in _claims(pod, view))


def _with(found: Object, finalizers: list[str]) -> Update:
    body = found.json()
    body["metadata"]["finalizers"] = finalizers
    return Update(PERSISTENTVOLUMECLAIMS, found.head.namespace, found.head.name, body)


def _mounts(pod: Mapping[str, Any], name: str, metadata: Any) -> bool:
    spec = pod.get("spec") or {}
    if not spec.get("nodeName"):
        return False
    ended = pod["metadata"].get("deletionTimestamp") and not pod["metadata"].get("deletionGracePeriodSeconds")
    for volume in spec.get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name:
            return True
        if "ephemeral" in volume and not ended and f"{pod['metadata']['name']}-{volume['name']}" == name:
            owners = (each.uid for each in metadata.owner_references if each.controller)
            return pod["metadata"].get("uid") in owners
    return False


def _claims(pod: Object, _: View) -> Iterable[str]:
    for volume in pod.view.spec.volumes:
        name = ""
        if volume.persistent_volume_claim is not None:
            name = volume.persistent_volume_claim.claim_name
        elif volume.ephemeral is not None:
            name = f"{pod.head.name}-{volume.name}"
        if name:
            yield key_of("", "persistentvolumeclaims", pod.head.namespace, name)


CONTROLLER = Controller(
    name="persistentvolumeclaim-protection",
    component="pvc-protection-controller",
    reconcile=reconcile,
    resource=PERSISTENTVOLUMECLAIMS,
    watches=(Watch(PODS, _claims),),
    aside=True,
)
