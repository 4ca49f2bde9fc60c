"""What every cluster has from its first second: the four namespaces, and the Service `kubernetes`."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

from podling.api.errors import AlreadyExists
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.message import Request, User

Json = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SERVER = User("system:apiserver", ("system:masters", "system:authenticated"))


async def bootstrap(backend: Backend) -> None:
    """Create what is not there; what is there stays as it is."""
    for name in NAMESPACES:
        await _ensure(backend, "namespaces", {"metadata": {"name": name}})
    if backend.config.kubernetes_service:
        await _ensure(backend, "services", _kubernetes(backend))


async def _ensure(backend: Backend, plural: str, obj: Json) -> None:
    served = backend.resources.get("", "v1", plural)
    metadata = obj["metadata"]
    if backend.cache.get(served.key(metadata.get("namespace", ""), metadata["name"])) is not None:
        return
    request = Request("POST", "", in_process=True)
    request.user = SERVER
    hub = served.entry.to_hub({"kind": served.entry.kind, "apiVersion": "v1", **obj})
    # Another server on the same store may be quicker.
    with contextlib.suppress(AlreadyExists):
        await create_object(backend, request, served, hub, dry=False)


def _kubernetes(backend: Backend) -> Json:
    network = ipaddress.IPv4Network(backend.config.service_cidr)
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {"name": "https", "protocol": "TCP", "port": 443, "targetPort": backend.config.server_port}
    return {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": str(network[1]), "ports": [port], "sessionAffinity": "None"},
    }
