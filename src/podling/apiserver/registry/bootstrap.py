"""What every cluster has from its first second: namespaces, priority classes, the Service `kubernetes`, its range."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

from podling.api.errors import AlreadyExists
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.message import Request, User
from podling.env import rfc3339

Json = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SERVER = User("system:apiserver", ("system:masters", "system:authenticated"))


async def bootstrap(backend: Backend) -> None:
    """Create what is not there; what is there stays as it is."""
    for name in NAMESPACES:
        await _ensure(backend, "namespaces", {"metadata": {"name": name}})
    for name, value in backend.config.priority_classes.items():
        await _ensure(backend, "priorityclasses", _critical(name, value), "scheduling.k8s.io")
    await _range(backend)
    if backend.config.kubernetes_service:
        await _ensure(backend, "services", _kubernetes(backend))


async def _range(backend: Backend) -> None:
    """The ServiceCIDR `kubernetes`, which is ready with the server and not by a controller (KEP-1880)."""
    served = backend.resources.get("networking.k8s.io", "v1", "servicecidrs")
    if backend.cache.get(served.key("", "kubernetes")) is not None:
        return
    spec = {"cidrs": [backend.config.service_cidr]}
    await _ensure(backend, "servicecidrs", {"metadata": {"name": "kubernetes"}, "spec": spec}, "networking.k8s.io")
    message = "Kubernetes default Service CIDR is ready"
    condition = {"type": "Ready", "status": "True", "reason": "", "message": message}
    condition["lastTransitionTime"] = rfc3339(backend.env.now())

    def ready(obj: Json) -> Json:
        return {**obj, "status": {"conditions": [condition]}}

    await change(backend, _request("PUT"), Change(served, "", "kubernetes", ready, "status"))


def _request(method: str) -> Request:
    request = Request(method, "", in_process=True)
    request.user = SERVER
    return request


async def _ensure(backend: Backend, plural: str, obj: Json, group: str = "") -> None:
    served = backend.resources.get(group, "v1", plural)
    metadata = obj["metadata"]
    if backend.cache.get(served.key(metadata.get("namespace", ""), metadata["name"])) is not None:
        return
    request = _request("POST")
    hub = served.entry.to_hub({"kind": served.entry.kind, "apiVersion": served.api_version, **obj})
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


def _critical(name: str, value: int) -> Json:
    text = "Used for system critical pods that must not be moved from their current node."
    if "cluster" in name:
        text = (
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
        )
    policy = {"preemptionPolicy": "PreemptLowerPriority"}
    return {"metadata": {"name": name}, "value": value, "description": text, **policy}
