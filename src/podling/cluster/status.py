"""What runs of a cluster, as the operating system and the keeper say: no API call, so a sick server is seen too."""

from __future__ import annotations

import msgspec

from podling.keeper.launch import find_keeper

from . import pods
from .nodespec import NodeSpec
from .paths import ClusterPaths
from .process import Process
from .spec import ClusterSpec


class Part(msgspec.Struct, frozen=True):
    """A process of the cluster; pid 0 where it does not run."""

    running: bool
    pid: int = 0


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One node of the cluster's own."""

    name: str
    address: str
    internal_address: str
    node: Part
    keeper: Part
    warden: Part
    """Who starts the node process again when it dies."""


class ClusterStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of `podling status -o json`; `address`, `node`, `keeper` and `warden` are the first
    node's."""

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
    warden: Part
    nodes: tuple[NodeStatus, ...]
    containers: tuple[pods.Running, ...] = ()


def status(paths: ClusterPaths, spec: ClusterSpec) -> ClusterStatus:
    """Raises PermissionError where the cluster belongs to root."""
    server = _part(Process.load(paths.server_pid))
    nodes = tuple(_node(paths, spec, node) for node in spec.nodes)
    containers = (pods.containers(paths.node(each.name).directory, each.name) for each in nodes if each.keeper.running)
    return ClusterStatus(
        name=spec.name,
        running=server.running,
        api=spec.api_url,
        address=spec.first.host_address,
        runtime=spec.runtime,
        proxy_mode=spec.proxy_mode,
        store=spec.store,
        server=server,
        node=nodes[0].node,
        keeper=nodes[0].keeper,
        warden=nodes[0].warden,
        nodes=nodes,
        containers=tuple(running for found in containers for running in found),
    )


def _node(paths: ClusterPaths, spec: ClusterSpec, node: NodeSpec) -> NodeStatus:
    folder = paths.node(node.name)
    keeper = None if spec.simulated else find_keeper(folder.directory)
    return NodeStatus(
        node.name,
        node.host_address,
        node.internal_address,
        _part(Process.load(folder.pid)),
        Part(True, keeper.pid) if keeper else Part(False),
        _part(Process.load(folder.warden_pid)),
    )


def _part(process: Process | None) -> Part:
    return Part(True, process.pid) if process else Part(False)
