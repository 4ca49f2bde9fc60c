"""Switching the proxy mode of a running cluster through its nodes' sockets."""

from __future__ import annotations

import asyncio

import msgspec

from podling.api.errors import ApiError
from podling.network.unixdialer import UnixDialer

from .nodesockets import NodeSockets
from .paths import ClusterPaths
from .process import Process
from .spec import ClusterSpec, ProxyMode, save

VERB = "proxymode"
"""The node socket's request: `{"verb": "proxymode", "mode": …}`; answered when the new mode serves."""


class ProxyModeError(Exception):
    """The mode was not switched; the message is for the user."""


def switch(paths: ClusterPaths, spec: ClusterSpec, mode: ProxyMode) -> bool:
    """Make `mode` the mode of all nodes, now and for later starts; False where nothing runs that could switch now."""
    if spec.simulated:
        raise ProxyModeError(f'cluster "{spec.name}" is simulated: nothing runs behind its Services')
    running = [node.name for node in spec.nodes if Process.load(paths.node(node.name).pid) is not None]
    switched: list[str] = []
    try:
        for name in running:
            _tell(paths, name, mode)
            switched.append(name)
    except (ApiError, OSError) as error:
        for name in switched:
            _tell(paths, name, spec.proxy_mode)
        raise ProxyModeError(f"node {name} did not switch: {error}") from error
    save(paths, msgspec.structs.replace(spec, proxy_mode=mode))
    return bool(running)


def _tell(paths: ClusterPaths, node: str, mode: ProxyMode) -> None:
    asyncio.run(UnixDialer(NodeSockets(paths)).stream(node, {"verb": VERB, "mode": mode})).close()
