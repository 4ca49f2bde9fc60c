"""Switching the proxy mode of a running cluster through its node's socket."""

from __future__ import annotations

import asyncio

import msgspec

from podling.api.errors import ApiError
from podling.network.unixdialer import UnixDialer

from .paths import ClusterPaths
from .process import Process
from .spec import ClusterSpec, ProxyMode, save

VERB = "proxymode"
"""The node socket's request: `{"verb": "proxymode", "mode": …}`; answered when the new mode serves."""


class ProxyModeError(Exception):
    """The mode was not switched; the message is for the user."""


def switch(paths: ClusterPaths, spec: ClusterSpec, mode: ProxyMode) -> bool:
    """Make `mode` the cluster's mode, now and for later starts; False where nothing runs that could switch now."""
    if spec.simulated:
        raise ProxyModeError(f'cluster "{spec.name}" is simulated: nothing runs behind its Services')
    node = paths.node(spec.node_name)
    running = Process.load(node.pid) is not None
    if running:
        dialer = UnixDialer({spec.node_name: str(node.node_socket)})
        try:
            asyncio.run(dialer.stream(spec.node_name, {"verb": VERB, "mode": mode})).close()
        except (ApiError, OSError) as error:
            raise ProxyModeError(f"the node did not switch: {error}") from error
    save(paths, msgspec.structs.replace(spec, proxy_mode=mode))
    return running
