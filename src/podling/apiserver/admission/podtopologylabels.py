"""A Pod learns the zone and the region of its node as labels, so that its containers can be told (KEP-4742)."""

from __future__ import annotations

from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels:
    subresources = True
    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        """When it gets its node: by a Binding, which hands its labels on, or because whoever makes it knows."""
        if attempt.subresource == "binding":
            name = (attempt.obj.get("target") or {}).get("name")
        else:
            name = (attempt.obj.get("spec") or {}).get("nodeName") if not attempt.subresource else None
        node = self._cache.get(key_of("", "nodes", "", name)) if name else None
        found = {key: node.head.labels[key] for key in LABELS if key in node.head.labels} if node is not None else {}
        if found:
            attempt.obj["metadata"].setdefault("labels", {}).update(found)
