"""What a Pod needs of its namespace, for which its node may read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from podling.api.objects import prefix_of
from podling.storage.watchcache import WatchCache

PODS = prefix_of("", "pods")
Reference = tuple[str, str]
"""(resource, name)"""

# Members of a Pod's spec that name an object: the member, where the name is, the resource.
_NAMING = {
    "secretRef": ("name", "secrets"),
    "secretKeyRef": ("name", "secrets"),
    "configMap": ("name", "configmaps"),
    "configMapRef": ("name", "configmaps"),
    "configMapKeyRef": ("name", "configmaps"),
    "persistentVolumeClaim": ("claimName", "persistentvolumeclaims"),
    "nodePublishSecretRef": ("name", "secrets"),
}


@lru_cache(maxsize=2048)
def references(raw: bytes) -> frozenset[Reference]:
    """All that a stored Pod names, its service account too."""
    pod = orjson.loads(raw)
    spec = pod.get("spec") or {}
    found = set(_named(spec))
    found |= {("secrets", each.get("name", "")) for each in spec.get("imagePullSecrets") or ()}
    found.add(("serviceaccounts", spec.get("serviceAccountName", "")))
    for volume in spec.get("volumes") or ():
        if "ephemeral" in volume:
            found.add(("persistentvolumeclaims", f"{pod['metadata']['name']}-{volume['name']}"))
    return frozenset(found)


def _named(value: Any) -> Iterator[Reference]:
    if isinstance(value, list):
        for each in value:
            yield from _named(each)
    if not isinstance(value, dict):
        return
    for member, inner in value.items():
        if isinstance(inner, dict):
            if member in _NAMING:
                field, resource = _NAMING[member]
                yield resource, inner.get(field, "")
            elif member == "secret":
                # A volume says secretName, a projection name.
                yield "secrets", inner.get("secretName") or inner.get("name", "")
        yield from _named(inner)


def referenced(cache: WatchCache, node: str, namespace: str, resource: str, name: str) -> bool:
    """Whether a Pod of the node names the object."""
    if not (node and namespace and name):
        return False
    pods = cache.having(f"{PODS}{namespace}/", "spec.nodeName", node)
    return any((resource, name) in references(pod.raw) for pod in pods)
