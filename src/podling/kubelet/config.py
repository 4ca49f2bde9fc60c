"""What a kubelet is told at its start: who it is, where its files lie, what the cluster's addresses are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

VERSION = "v1.37.1"
"""The Kubernetes release whose behaviour is followed."""


class KubeletConfig(msgspec.Struct, frozen=True):
    """`state` is the node's own folder, `<state>/nodes/<node>`; the socket's port in `kubelet_port` is only shown."""

    node_name: str
    state: Path
    internal_ip: str
    external_ip: str = ""
    provider_id: str = ""
    labels: Mapping[str, str] = {}
    taints: tuple[Mapping[str, str], ...] = ()
    cluster_domain: str = "cluster.local"
    cluster_dns: str = "10.96.0.10"
    pod_cidr: str = ""
    max_pods: int = 110
    capacity: Mapping[str, str] = {}
    """Overrides what the machine has (`cpu`, `memory`, …): simulated nodes."""
    lease_seconds: int = 40
    renew_every: float = 10.0
    status_every: float = 300.0
    concurrency: int = 8
    """Runtime calls at once."""
    memory_pressure_below: int = 100 << 20
    disk_pressure_below: float = 0.01
    """Share of the file system that must be free. Small, because a laptop's disk is not the cluster's alone."""
    image_gc_high: int = 95
    image_gc_low: int = 90
    """Percent of the disk: above the first pulled images that nobody uses go, until the second is reached. Upstream's
    are 85 and 80, for disks that are a node's alone."""
    image_gc_minimum_age: float = 120.0
    image_gc_every: float = 300.0
    log_bytes: int = 10 << 20
    log_files: int = 5
    may_mount: bool = False
    """Whether volumes may be mounted: only by a process that has joined its node's mount namespace."""

    @property
    def volumes_folder(self) -> Path:
        """Where the volumes lie that the cluster makes itself."""
        return self.state.absolute() / "volumes"

    def parts_folder(self, uid: str) -> Path:
        """Where parts of a Pod's volumes are held."""
        return self.state.absolute() / "parts" / uid

    def pod_folder(self, uid: str) -> Path:
        return self.state / "pods" / uid

    def log_folder(self, namespace: str, name: str, uid: str) -> Path:
        return self.state / "logs" / f"{namespace}_{name}_{uid}"
