"""What of a cluster is still on the machine."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.harness import Cluster, eventually
from tests.e2e.hostprint import hostprint


def traces(cluster: Cluster) -> list[str]:
    """Everything on this machine that carries the cluster's name or lies in its folder."""
    marks = (f"/{cluster.name}", f"--cluster {cluster.name}", str(cluster.root))
    return [line for lines in hostprint().values() for line in lines if any(mark in line for mark in marks)]


def nothing_left(cluster: Cluster) -> bool:
    eventually(lambda: not traces(cluster), 5, f"no trace is left, but {traces(cluster)}")
    return not cluster.root.exists() and not Path(cluster.env["KUBECONFIG"]).exists()
