"""Volumes and claims: nobody loses one that is in use, and only what can grow is made larger.

The finalizers are taken off again by the protection controllers (Kubernetes documentation, "Storage Object in Use
Protection", "Expanding Persistent Volumes Claims").
"""

from __future__ import annotations

from typing import Final

from podling.api import quantity
from podling.api.errors import Forbidden, forbidden
from podling.api.kinds.cells import at
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

FINALIZERS: Final = {
    "PersistentVolume": "kubernetes.io/pv-protection",
    "PersistentVolumeClaim": "kubernetes.io/pvc-protection",
    "VolumeAttributesClass": "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection:
    operations = ("CREATE",)
    kinds = (("", "PersistentVolume"), ("", "PersistentVolumeClaim"), ("storage.k8s.io", "VolumeAttributesClass"))

    async def admit(self, attempt: Attempt) -> None:
        finalizer = FINALIZERS[attempt.served.kind.kind]
        finalizers = attempt.obj["metadata"].setdefault("finalizers", [])
        if finalizer not in finalizers:
            finalizers.append(finalizer)


class PersistentVolumeClaimResize:
    operations = ("UPDATE",)
    kinds = (("", "PersistentVolumeClaim"),)

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        path = "spec.resources.requests.storage"
        asked, before = at(attempt.obj, path), at(attempt.old, path)
        if asked is None or before is None or quantity.of(asked) <= quantity.of(before):
            return
        if at(attempt.old, "status.phase") != "Bound":
            raise _no(attempt, "Only bound persistent volume claims can be expanded")
        if not self._grows(at(attempt.obj, "spec.storageClassName") or ""):
            why = (
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize"
            )
            raise _no(attempt, why)

    def _grows(self, storage_class: str) -> bool:
        found = self._cache.get(key_of("storage.k8s.io", "storageclasses", "", storage_class))
        return found is not None and bool(found.json().get("allowVolumeExpansion"))


def _no(attempt: Attempt, why: str) -> Forbidden:
    return forbidden("persistentvolumeclaims", attempt.obj["metadata"].get("name", ""), why)
