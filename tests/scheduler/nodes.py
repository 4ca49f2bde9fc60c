"""Nodes and Pods for tests of decisions, as views."""

from __future__ import annotations

from typing import Any

import msgspec

from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of

Json = dict[str, Any]


def node(name: str, *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Node:
    """`labels`, `taints`, `unschedulable`, further `allocatable`."""
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods} | more.pop("allocatable", {})
    body = {
        "metadata": {"name": name, "labels": more.pop("labels", {})},
        "spec": more,
        "status": {"allocatable": allocatable},
    }
    return msgspec.convert(body, Node)


def pod(name: str, **spec: Any) -> PodFacts:
    """`cpu`, `memory` as requests, `port` as a host port; everything else goes to the spec."""
    requests = {key: spec.pop(key) for key in ("cpu", "memory") if key in spec}
    container: Json = {"name": "c", "image": "x", "resources": {"requests": requests}}
    if "port" in spec:
        container["ports"] = [{"containerPort": 80, "hostPort": spec.pop("port"), "protocol": "TCP"}]
    body = {
        "metadata": {"name": name, "namespace": "default", "uid": f"{name}-uid"},
        "spec": {"containers": [container]} | spec,
    }
    return facts_of(f"core/pods/default/{name}", msgspec.convert(body, Pod))


def cluster(*nodes: Node) -> Snapshot:
    snapshot = Snapshot()
    for each in nodes:
        snapshot.set_node(each)
    return snapshot
