"""How much a Pod may write: one that outgrows a limit is evicted at once, in upstream's words.

A tmpfs has its size from the kernel; what is on disk is measured now and then, and only where a limit is declared: of a
volume (`sizeLimit`), of a container or of all of them (`ephemeral-storage`). (Kubernetes documentation, "Volumes:
emptyDir", "Local ephemeral storage".)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podling.api.kinds.core import podresources
from podling.api.kinds.core.pod import Pod
from podling.api.quantity import Quantity, parse
from podling.kubelet.podstate import Failure

STORAGE = "ephemeral-storage"


class Usage(msgspec.Struct, frozen=True):
    """Bytes on the node's disk."""

    containers: Mapping[str, int]
    """By name: what each wrote into its own files, and its logs."""
    volumes: Mapping[str, int]
    """By name."""


def limited(pod: Pod) -> bool:
    """Whether what the Pod writes has to be measured."""
    return STORAGE in podresources.of_pod(pod.spec, "limits") or any(_limited_volumes(pod))


def exceeded(pod: Pod, used: Usage) -> Failure | None:
    """Why the Pod has to go, or None."""
    for name, limit in _limited_volumes(pod):
        if used.volumes.get(name, 0) > limit.value:
            return _evicted(f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". ')
    whole = podresources.of_pod(pod.spec, "limits").get(STORAGE)
    if whole is not None and sum(used.containers.values()) + sum(used.volumes.values()) > whole.value:
        return _evicted(f"Pod ephemeral local storage usage exceeds the total limit of containers {whole}. ")
    for container in pod.spec.containers:
        own = container.resources.limits.get(STORAGE)
        if own is not None and used.containers.get(container.name, 0) > parse(own).value:
            return _evicted(f'Container {container.name} exceeded its local ephemeral storage limit "{parse(own)}". ')
    return None


def _limited_volumes(pod: Pod) -> Iterator[tuple[str, Quantity]]:
    """(name, sizeLimit) of the volumes on disk that have one."""
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is not None and source.medium != "Memory" and source.size_limit:
            limit = parse(source.size_limit)
            if limit:
                yield volume.name, limit


def _evicted(message: str) -> Failure:
    return Failure("Evicted", message, at_once=True)


def memory_for_volumes(pod: Pod, allocatable: int) -> int:
    """Bytes one volume in memory may have: what the Pod may use, if that is limited, else what the node has."""
    whole = pod.spec.resources
    declared = [each.resources.limits for each in pod.spec.init_containers + pod.spec.containers]
    if all(limits.get("memory") for limits in declared) or (whole is not None and whole.limits.get("memory")):
        limit = podresources.of_pod(pod.spec, "limits")["memory"].value
        return min(limit, allocatable) if limit > 0 else allocatable
    return allocatable
