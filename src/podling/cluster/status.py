"""What runs of a cluster, as the operating system and the keeper say: no API call, so a sick server is seen too."""

from __future__ import annotations

import msgspec

from podling.keeper.launch import find_keeper

from . import pods
from .paths import ClusterPaths
from .process import Process
from .spec import ClusterSpec


class Part(msgspec.Struct, frozen=True):
    """A process of the cluster; pid 0 where it does not run."""

    running: bool
    pid: int = 0


class ClusterStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of `podling status -o json`."""

    name: str
    running: bool
    api: str
    address: str
    runtime: str
    proxy_mode: str
    store: str
    server: Part
    node: Part
    keeper: Part
    containers: tuple[pods.Running, ...] = ()


def status(paths: ClusterPaths, spec: ClusterSpec) -> ClusterStatus:
    """Raises PermissionError where the cluster belongs to root."""
    node = paths.node(spec.node_name)
    server = _part(Process.load(paths.server_pid))
    keeper = None if spec.simulated else find_keeper(node.directory)
    return ClusterStatus(
        name=spec.name,
        running=server.running,
        api=spec.api_url,
        address=spec.host_address,
        runtime=spec.runtime,
        proxy_mode=spec.proxy_mode,
        store=spec.store,
        server=server,
        node=_part(Process.load(node.pid)),
        keeper=Part(True, keeper.pid) if keeper else Part(False),
        containers=pods.containers(node.directory) if keeper else (),
    )


def _part(process: Process | None) -> Part:
    return Part(True, process.pid) if process else Part(False)
