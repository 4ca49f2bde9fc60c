"""The objects that make DNS a Service like any other: kube-system/kube-dns and its endpoints.

No Pods stand behind it, so it has no selector, and its EndpointSlice is made by the cluster for all its nodes. Each
node's clients are led to its own DNS, which also no NetworkPolicy forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMESPACE, NAME = "kube-system", "kube-dns"
_LABELS = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


def service(cluster_ip: str = "10.96.0.10") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(_LABELS)},
        "spec": {
            "clusterIP": cluster_ip,
            "clusterIPs": [cluster_ip],
            "internalTrafficPolicy": "Local",  # every node answers for its own Pods, and lives as long as they do
            "ports": [{"name": name, "protocol": protocol, "port": 53, "targetPort": 53} for name, protocol in _PORTS],
        },
    }


def endpoint_slice(nodes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """For nodes given as (name, InternalIP)."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "podling",
                "k8s-app": "kube-dns",
            },
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [address],
                "nodeName": node,
                "conditions": {"ready": True, "serving": True, "terminating": False},
            }
            for node, address in nodes
        ],
        "ports": [{"name": name, "protocol": protocol, "port": 53} for name, protocol in _PORTS],
    }
