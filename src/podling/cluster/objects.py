"""The objects every cluster has beside what the API server makes itself: the ways to its API and its DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podling.api.errors import NotFound
from podling.client.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES, STORAGECLASSES
from podling.client.transport import Resource, Transport
from podling.dns import manifests

from .spec import API_PORT, DNS_IP, ClusterSpec

RESOURCES: Mapping[str, Resource] = {
    "Service": SERVICES,
    "EndpointSlice": ENDPOINTSLICES,
    "Endpoints": ENDPOINTS,
    "StorageClass": STORAGECLASSES,
}


async def ensure(transport: Transport, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Create what is missing; what is there is brought to what is wanted, for a node's address may have changed."""
    for manifest in manifests:
        resource = RESOURCES[manifest["kind"]]
        namespace, name = manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
        wanted = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
        path = resource.path(namespace, name)
        try:
            await transport.request("PATCH", path, body=wanted, content_type="application/merge-patch+json")
        except NotFound:
            await transport.request("POST", resource.path(namespace), body=manifest)


def ways_in(spec: ClusterSpec) -> list[dict[str, Any]]:
    """The ways to API and DNS: every node has both, and Pods ask those of their own node, which lives as they do."""
    if spec.simulated:
        return endpoints_of_kubernetes(spec)
    local = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"}}
    local["spec"] = {"internalTrafficPolicy": "Local"}
    dns = manifests.endpoint_slice([(node.name, node.internal_address) for node in spec.nodes])
    return [local, *endpoints_of_kubernetes(spec), manifests.service(DNS_IP), dns]


def endpoints_of_kubernetes(spec: ClusterSpec) -> list[dict[str, Any]]:
    """Where Pods reach the API: the listeners in the nodes' namespaces."""
    port = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [
            {"addresses": [node.internal_address], "conditions": {"ready": True}, "nodeName": node.name}
            for node in spec.nodes
        ],
    }
    addresses = [{"ip": node.internal_address, "nodeName": node.name} for node in spec.nodes]
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": addresses, "ports": [port]}],
    }
    return [slice_, endpoints]
