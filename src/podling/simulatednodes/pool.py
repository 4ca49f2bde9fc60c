"""A pool of simulated nodes, and the Node objects it is made of. Pure.

Nodes get their Pod addresses from 100.64.0.0/10, which no network routes: a block each, as large as the Pods they may
hold. A node's own address is the first of its block.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podling.env import rfc3339, rfc3339_micro
from podling.reconcile.attachments import MANAGED
from podling.simulatednodes.marks import POOL, ROLE, RUNTIME, SIMULATED, VERSION

Json = dict[str, Any]
NETWORK = ipaddress.IPv4Network("100.64.0.0/10")
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
MESSAGE = "simulated node: its Pods run nothing"


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """What its nodes are like. `zones` > 0 spreads them over so many values of topology.kubernetes.io/zone."""

    count: int
    cpu: str = "32"
    memory: str = "256Gi"
    pods: int = 110
    zones: int = 0
    labels: Mapping[str, str] = {}
    tainted: bool = False
    """Only Pods that tolerate the taint `podling.dev/simulated=true:NoSchedule` come here."""


class PoolFull(ValueError):
    """There are no addresses for so many nodes."""


def missing(name: str, pool: Pool, members: Collection[str], taken: Iterable[str]) -> list[str]:
    """Names for the nodes that the pool lacks: the lowest free numbers; `taken` are the names of all nodes."""
    there = set(taken)
    free = (each for number in itertools.count(1) if (each := f"{name}-{number}") not in there)
    return list(itertools.islice(free, max(0, pool.count - len(members))))


def surplus(pool: Pool, members: Iterable[str]) -> list[str]:
    """The nodes that are too many: those that came last."""
    return sorted(members, key=number_of)[pool.count :]


def number_of(node: str) -> int:
    """The number at the end of a node's name; 0 where there is none."""
    digits = node.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


def blocks(pods: int, taken: Iterable[str]) -> Iterator[str]:
    """Free blocks for nodes of so many Pods. Raises PoolFull when asked for one that is not there."""
    prefix = 24
    while 2 ** (32 - prefix) - 3 < pods:
        prefix -= 1
    used = [ipaddress.IPv4Network(each) for each in taken]
    busy = {int(part.network_address) for each in used if each.subnet_of(NETWORK) for part in _parts(each)}
    for block in NETWORK.subnets(new_prefix=prefix):
        if not any(int(part.network_address) in busy for part in _parts(block)):
            yield str(block)
    raise PoolFull(f"there are addresses for no more nodes with {pods} Pods each")


def _parts(block: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Network]:
    return block.subnets(new_prefix=24) if block.prefixlen < 24 else iter((block,))


def host_address(block: str) -> str:
    return str(ipaddress.IPv4Network(block)[1])


def new_node(pool_name: str, pool: Pool, name: str, block: str, number: int, now: float) -> Json:
    """The Node with its status: it is Ready from the beginning. `number` decides its zone."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        ROLE: "",
        SIMULATED: "true",
        POOL: pool_name,
    }
    if pool.zones:
        labels["topology.kubernetes.io/zone"] = f"zone-{number % pool.zones + 1}"
    spec: Json = {"podCIDR": block, "podCIDRs": [block], "providerID": f"podling-simulated://{name}"}
    if pool.tainted:
        spec["taints"] = [{"key": SIMULATED, "value": "true", "effect": "NoSchedule"}]
    capacity = {"cpu": pool.cpu, "memory": pool.memory, "ephemeral-storage": "1Ti", "pods": str(pool.pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {MANAGED: "true"}, "labels": labels | dict(pool.labels)},
        "spec": spec,
        "status": node_status(name, block, capacity, {}, now),
    }


def node_status(name: str, block: str, capacity: Mapping[str, str], before: Mapping[str, Any], now: float) -> Json:
    """A simulated node's whole status; what `before` says of capacity stays."""
    has = before.get("capacity") or dict(capacity)
    conditions = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    )
    known = {each["type"]: each for each in before.get("conditions") or ()}
    return {
        "addresses": [{"type": "InternalIP", "address": host_address(block)}, {"type": "Hostname", "address": name}],
        "capacity": has,
        "allocatable": before.get("allocatable") or dict(has),
        "conditions": [_condition(*each, known.get(each[0]), now) for each in conditions],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "simulated",
            "containerRuntimeVersion": RUNTIME,
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": "simulated",
            "operatingSystem": "linux",
            "osImage": "simulated",
            "systemUUID": "simulated",
        },
    }


def _condition(kind: str, status: str, reason: str, known: Mapping[str, Any] | None, now: float) -> Json:
    stamp = rfc3339(now)
    same = known is not None and known.get("status") == status
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": known["lastTransitionTime"] if known is not None and same else stamp,
        "reason": reason,
        "message": MESSAGE,
    }


def new_lease(name: str, uid: str, now: float) -> Json:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": LEASE_NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}],
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": rfc3339_micro(now),
        },
    }
