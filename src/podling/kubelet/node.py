"""The Node object and its Lease, as values: what a kubelet says of itself.

Pure; `nodeagent.py` writes them. Conditions, labels and reasons are upstream's (Kubernetes
documentation, "Node Status").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podling.env import rfc3339, rfc3339_micro
from podling.kubelet.config import VERSION, KubeletConfig
from podling.kubelet.machine import Machine, Pressure
from podling.reconcile.attachments import MANAGED
from podling.reconcile.hostpathvolumes import FOLDER
from podling.runtime.interface import Image

Json = dict[str, Any]
_WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "MemoryPressure": (
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    ),
    "DiskPressure": (
        "KubeletHasNoDiskPressure",
        "kubelet has no disk pressure",
        "KubeletHasDiskPressure",
        "kubelet has disk pressure",
    ),
    "PIDPressure": (
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
        "KubeletHasInsufficientPID",
        "kubelet has insufficient PID available",
    ),
}
MOST_IMAGES = 50


def node_labels(config: KubeletConfig, machine: Machine) -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }


def node_annotations(config: KubeletConfig) -> dict[str, str]:
    return {FOLDER: str(config.volumes_folder), MANAGED: "true"}


def new_node(config: KubeletConfig, machine: Machine) -> Json:
    """The object a kubelet registers; its status is written right after."""
    spec: Json = {}
    if config.provider_id:
        spec["providerID"] = config.provider_id
    if config.pod_cidr:
        spec |= {"podCIDR": config.pod_cidr, "podCIDRs": [config.pod_cidr]}
    if config.taints:
        spec["taints"] = [dict(taint) for taint in config.taints]
    metadata = {
        "name": config.node_name,
        "annotations": node_annotations(config),
        "labels": node_labels(config, machine),
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


def capacity(config: KubeletConfig, machine: Machine) -> dict[str, str]:
    return {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(config.max_pods),
        **config.capacity,
    }


def node_status(
    config: KubeletConfig,
    machine: Machine,
    pressure: Pressure,
    runtime: str,
    images: Sequence[Image],
    before: Mapping[str, Any],
    now: float,
) -> Json:
    """The whole status; `runtime` like `crun://1.8.1`, `before` the last one (for transition times)."""
    has = capacity(config, machine)
    addresses = [("InternalIP", config.internal_ip), ("ExternalIP", config.external_ip), ("Hostname", config.node_name)]
    return {
        "addresses": [{"type": kind, "address": address} for kind, address in addresses if address],
        "capacity": has,
        "allocatable": dict(has),
        "conditions": _conditions(pressure, before, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": runtime,
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.machine_id,
        },
        "images": [
            {"names": [*image.digests, *image.names], "sizeBytes": image.size}
            for image in sorted(images, key=lambda image: -image.size)[:MOST_IMAGES]
        ],
    }


def farewell(now: float) -> Json:
    """The part of a status that a node says as its last: it runs nothing any more."""
    why = "the node's keeper has ended, and every container with it"
    return {"conditions": [_condition("Ready", False, "KubeletNotReady", why, None, now)]}


def _conditions(pressure: Pressure, before: Mapping[str, Any], now: float) -> list[Json]:
    old = {condition["type"]: condition for condition in before.get("conditions", ())}
    said = []
    for kind, under in (
        ("MemoryPressure", pressure.memory),
        ("DiskPressure", pressure.disk),
        ("PIDPressure", pressure.pids),
    ):
        good_reason, good, bad_reason, bad = _WORDS[kind]
        said.append((kind, under, bad_reason if under else good_reason, bad if under else good))
    said.append(("Ready", True, "KubeletReady", "kubelet is posting ready status"))
    return [_condition(kind, true, reason, message, old.get(kind), now) for kind, true, reason, message in said]


def _condition(kind: str, true: bool, reason: str, message: str, old: Mapping[str, Any] | None, now: float) -> Json:
    status = "True" if true else "False"
    since = old["lastTransitionTime"] if old is not None and old.get("status") == status else rfc3339(now)
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": rfc3339(now),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether something besides heartbeats differs."""

    def bare(status: Mapping[str, Any]) -> Json:
        conditions = [{**c, "lastHeartbeatTime": ""} for c in status.get("conditions", ())]
        return {**status, "conditions": conditions}

    return bare(old) != bare(new)


def new_lease(config: KubeletConfig, node_uid: str, now: float) -> Json:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": config.node_name,
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": config.node_name, "uid": node_uid}],
        },
        "spec": {
            "holderIdentity": config.node_name,
            "leaseDurationSeconds": config.lease_seconds,
            "renewTime": rfc3339_micro(now),
        },
    }
