"""Joining the nodes of a cluster: their keepers' namespaces and addresses, for `network/fabric.py`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network

from podling.keeper.launch import find_keeper
from podling.network import fabric

from .nodespec import NodeSpec
from .paths import ClusterPaths
from .spec import SERVICE_NETWORK, ClusterSpec


def weave(paths: ClusterPaths, spec: ClusterSpec) -> None:
    """Join all nodes whose keepers run, where they are not joined. Raises OSError, RuntimeError."""
    with ExitStack() as open_files:
        members = []
        for node in spec.nodes:
            if (keeper := find_keeper(paths.node(node.name).directory)) is None:
                continue
            namespace = os.open(f"/proc/{keeper.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            open_files.callback(os.close, namespace)
            members.append(_member(node, namespace))
        fabric.weave(members, SERVICE_NETWORK)


def _member(node: NodeSpec, namespace: int) -> fabric.Member:
    address, pods = IPv4Address(node.internal_address), IPv4Network(node.pod_network)
    return fabric.Member(node.number, namespace, address, pods)
