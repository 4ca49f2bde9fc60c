"""Claims and Ingresses that name no class get the default one, if there is one.

Of several defaults the newest counts, then the first by name (Kubernetes documentation, "Default StorageClass",
"Default IngressClass").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podling.api.kinds.storage.storageclass import DEFAULT_ANNOTATIONS
from podling.api.objects import prefix_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
STORAGE_CLASSES = prefix_of("storage.k8s.io", "storageclasses")
INGRESS_CLASSES = prefix_of("networking.k8s.io", "ingressclasses")
_CLAIM_CLASS = "volume.beta.kubernetes.io/storage-class"
_INGRESS_CLASS = "kubernetes.io/ingress.class"
_DEFAULT_INGRESS = ("ingressclass.kubernetes.io/is-default-class",)


class DefaultStorageClass:
    operations = ("CREATE",)
    kinds = (("", "PersistentVolumeClaim"),)

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        spec = attempt.obj.setdefault("spec", {})
        if "storageClassName" in spec or _CLAIM_CLASS in _annotations(attempt.obj):
            return
        if name := default_of(self._cache, STORAGE_CLASSES, DEFAULT_ANNOTATIONS):
            spec["storageClassName"] = name


class DefaultIngressClass:
    operations = ("CREATE",)
    kinds = (("networking.k8s.io", "Ingress"),)

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        spec = attempt.obj.setdefault("spec", {})
        if "ingressClassName" in spec or _INGRESS_CLASS in _annotations(attempt.obj):
            return
        if name := default_of(self._cache, INGRESS_CLASSES, _DEFAULT_INGRESS):
            spec["ingressClassName"] = name


def default_of(cache: WatchCache, prefix: str, marks: Sequence[str]) -> str:
    """The name of the class that carries one of the annotations; "" where none does."""
    marked = [
        found["metadata"]
        for found in (each.json() for each in cache.list(prefix))
        if any(_annotations(found).get(mark) == "true" for mark in marks)
    ]
    newest = max((each.get("creationTimestamp", "") for each in marked), default="")
    names = sorted(str(each["name"]) for each in marked if each.get("creationTimestamp", "") == newest)
    return names[0] if names else ""


def _annotations(obj: Json) -> Json:
    return obj["metadata"].get("annotations") or {}
