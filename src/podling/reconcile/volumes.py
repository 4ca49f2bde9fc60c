"""Which PersistentVolume answers a PersistentVolumeClaim: classes, sizes, modes, reservations.

The rules of the documentation's "Persistent Volumes" (Binding, Reserving a PersistentVolume): what is reserved for
the claim comes first, then the volume with the fewest access modes beyond those asked, of those the smallest that fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podling.api import quantity
from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.storage.storageclass import DEFAULT_ANNOTATIONS
from podling.api.objects import Object
from podling.client.resources import STORAGECLASSES
from podling.reconcile.selectors import matches
from podling.reconcile.view import View

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
FILESYSTEM = "Filesystem"

Json = Mapping[str, Any]


def class_of(metadata: ObjectMeta, said: str | None) -> str:
    """The class of a claim or a volume, "" for none; the old annotation counts before the field."""
    return metadata.annotations.get(BETA_CLASS, said or "")


def claim_class(claim: PersistentVolumeClaim) -> str:
    return class_of(claim.metadata, claim.spec.storage_class_name)


def has_class(claim: PersistentVolumeClaim) -> bool:
    """Whether the claim says one, be it the empty one."""
    return claim.spec.storage_class_name is not None or BETA_CLASS in claim.metadata.annotations


def reserved_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """The volume names the claim, by name or by uid too."""
    reference = volume.spec.claim_ref
    if reference is None:
        return False
    named = (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
    return named and reference.uid in ("", claim.metadata.uid)


def modes_differ(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volume_mode or FILESYSTEM) != (claim.spec.volume_mode or FILESYSTEM)


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why a volume that the claim names cannot be its; "" where it can."""
    if volume.metadata.deletion_timestamp:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if _too_small(volume, claim):
        return "requested PV is too small"
    if class_of(volume.metadata, volume.spec.storage_class_name) != claim_class(claim):
        return "storageClassName does not match"
    if _attributes_differ(volume, claim):
        return "VolumeAttributesClassName does not match"
    if modes_differ(volume, claim):
        return "incompatible volumeMode"
    return "" if _has_modes(volume, claim) else "incompatible accessMode"


def best(claim: PersistentVolumeClaim, volumes: Iterable[Object], *, reserved_only: bool) -> Object | None:
    """The volume for the claim; `reserved_only`: what nobody reserved is left to the scheduler."""
    fitting = [each for each in volumes if _usable(each.view, claim)]
    reserved = [each for each in fitting if reserved_for(each.view, claim)]
    free = [] if reserved_only else [each for each in fitting if is_free_for(each.view, claim)]
    return min(reserved or free, key=_preference, default=None)


def is_free_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether it is nobody's and the claim, which names none, may have it."""
    if volume.spec.claim_ref is not None or volume.status.phase != "Available" or not _usable(volume, claim):
        return False
    selector = claim.spec.selector
    if selector is not None and not matches(selector, volume.metadata.labels):
        return False
    return class_of(volume.metadata, volume.spec.storage_class_name) == claim_class(claim)


def _usable(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    if volume.metadata.deletion_timestamp or _too_small(volume, claim) or not _has_modes(volume, claim):
        return False
    return not (modes_differ(volume, claim) or _attributes_differ(volume, claim))


def _preference(found: Object) -> tuple[int, quantity.Quantity, str]:
    volume: PersistentVolume = found.view
    return len(volume.spec.access_modes), _storage(volume.spec.capacity), volume.metadata.name


def _too_small(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return _storage(volume.spec.capacity) < _storage(claim.spec.resources.requests)


def _attributes_differ(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volume_attributes_class_name or "") != (claim.spec.volume_attributes_class_name or "")


def _has_modes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return set(claim.spec.access_modes) <= set(volume.spec.access_modes)


def _storage(amounts: Mapping[str, Any]) -> quantity.Quantity:
    return quantity.of(amounts["storage"]) if "storage" in amounts else quantity.ZERO


def storage_class(view: View, name: str) -> Json | None:
    found = view.of(STORAGECLASSES).get("", name) if name else None
    return None if found is None else found.json()


def waits_for_consumer(made_by: Json | None) -> bool:
    return made_by is not None and made_by.get("volumeBindingMode") == "WaitForFirstConsumer"


def default_class(view: View) -> str:
    """The newest class that is marked as the default one, then the first by name; "" where none is."""
    marked = [each.json()["metadata"] for each in view.of(STORAGECLASSES).list()]
    marked = [each for each in marked if _is_default(each)]
    newest = max((str(each.get("creationTimestamp", "")) for each in marked), default="")
    return min((str(each["name"]) for each in marked if each.get("creationTimestamp", "") == newest), default="")


def _is_default(metadata: Json) -> bool:
    annotations = metadata.get("annotations") or {}
    return any(annotations.get(mark) == "true" for mark in DEFAULT_ANNOTATIONS)


def unscheduled_users(claim: PersistentVolumeClaim, pods: Iterable[Object]) -> Sequence[str]:
    """The names of the Pods that use the claim and have no node yet, sorted."""
    name = claim.metadata.name
    return sorted(each.head.name for each in pods if not each.view.spec.node_name and name in claims_of(each))


def claims_of(pod: Object) -> Sequence[str]:
    """The names of the claims that a Pod mounts, those of its ephemeral volumes too."""
    found: list[str] = []
    for volume in pod.view.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None:
            found.append(f"{pod.head.name}-{volume.name}")
    return found
