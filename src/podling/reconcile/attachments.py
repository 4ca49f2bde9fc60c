"""Which volumes have to be attached to which nodes, and by what names that is written down.

Only volumes of CSI drivers are attached, through VolumeAttachments that the driver's own attacher carries out; a
driver may say that nothing has to be (`attachRequired: false`). (Kubernetes documentation, "Volumes", "CSI".)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from podling.api.kinds.core.persistentvolume import CSIPersistentVolumeSource, PersistentVolume
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.objects import Object
from podling.client.resources import CSIDRIVERS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from podling.reconcile import pods
from podling.reconcile.view import View
from podling.reconcile.volumes import claims_of

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
"""Annotation of a Node whose volumes the controllers attach; others do it themselves."""
SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_OURS = re.compile("csi-[0-9a-f]{64}")


def name_of(source: CSIPersistentVolumeSource, node: str) -> str:
    """The name of the VolumeAttachment, the same for whoever computes it."""
    text = f"{source.volume_handle}{source.driver}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def is_ours(name: str) -> bool:
    """Whether a VolumeAttachment of this name was made by us; what others make is theirs."""
    return _OURS.fullmatch(name) is not None


def unique_name(source: CSIPersistentVolumeSource) -> str:
    """As a Node's status calls the volume."""
    return f"kubernetes.io/csi/{source.driver}^{source.volume_handle}"


def is_managed(node: Object) -> bool:
    return bool(node.view.metadata.annotations.get(MANAGED) == "true")


def uses_volumes(pod: Object) -> bool:
    """It has claims and a node, and has not ended: what it claims has to be there."""
    return bool(pod.view.spec.node_name) and not pods.is_finished(pod.view) and bool(claims_of(pod))


def volumes_of(pod: Object, view: View) -> Iterable[Object]:
    """The PersistentVolumes of a Pod that have to be attached, each once."""
    found = {}
    for name in claims_of(pod):
        claim = view.of(PERSISTENTVOLUMECLAIMS).get(pod.head.namespace, name)
        volume = None if claim is None else _bound_to(claim.view, view)
        if volume is not None and _is_attached_at_all(volume.view, view):
            found[volume.head.name] = volume
    return found.values()


def _bound_to(claim: PersistentVolumeClaim, view: View) -> Object | None:
    volume = view.of(PERSISTENTVOLUMES).get("", claim.spec.volume_name) if claim.spec.volume_name else None
    reference = None if volume is None else volume.view.spec.claim_ref
    return volume if reference is not None and reference.uid == claim.metadata.uid else None


def _is_attached_at_all(volume: PersistentVolume, view: View) -> bool:
    if volume.spec.csi is None:
        return False
    driver = view.of(CSIDRIVERS).get("", volume.spec.csi.driver)
    return driver is None or (driver.json().get("spec") or {}).get("attachRequired") is not False


def users(volume: PersistentVolume, view: View) -> Sequence[Object]:
    """The Pods that have a node and claim the volume."""
    held_by = volume.spec.claim_ref
    if held_by is None:
        return ()
    found = view.of(PODS).list(held_by.namespace)
    return [each for each in found if uses_volumes(each) and held_by.name in claims_of(each)]
