"""Upstream's priorities of built-in group versions: what their APIServices say, and the order of discovery."""

from __future__ import annotations

from collections.abc import Mapping

CUSTOM = (1000, 100)
"""Of group versions that CustomResourceDefinitions declare."""
_GROUPS: Mapping[str, int] = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "resource.k8s.io": 15900,
    "storagemigration.k8s.io": 15800,
}
_VERSIONS: Mapping[tuple[str, str], int] = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("events.k8s.io", "v1"): 5,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
}


def group_priority(group: str) -> int:
    """apiregistration.k8s.io has no APIService of its own and comes right after the core."""
    return 17900 if group == "apiregistration.k8s.io" else _GROUPS.get(group, CUSTOM[0])


def priorities(group: str, version: str) -> tuple[int, int]:
    """(group, version) of a built-in group version."""
    default = 15 if version.removeprefix("v").isdigit() else 9 if "beta" in version else 1
    return group_priority(group), _VERSIONS.get((group, version), default)
