"""How much a Pod's volumes may hold: an emptyDir that outgrows its sizeLimit evicts the Pod, in upstream's words.

A tmpfs has its size from the kernel; a folder on disk is measured now and then, and only where a limit is declared.
(Kubernetes documentation, "Volumes: emptyDir".)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from podling.api.kinds.core import podresources
from podling.api.kinds.core.pod import Pod
from podling.api.quantity import parse
from podling.kubelet.podstate import Failure


def limited(pod: Pod) -> Iterator[tuple[str, str]]:
    """(name, sizeLimit) of the volumes that have to be measured."""
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is not None and source.medium != "Memory" and source.size_limit and parse(source.size_limit):
            yield volume.name, source.size_limit


def exceeded(pod: Pod, volumes: Mapping[str, Path]) -> Failure | None:
    """Why the Pod has to go, or None. Walks the folders: for a thread."""
    for name, limit in limited(pod):
        path = volumes.get(name)
        if path is not None and size_of(path) > parse(limit).value:
            return Failure("Evicted", f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". ')
    return None


def size_of(folder: Path) -> int:
    """Bytes on disk below a folder; files that vanish meanwhile count for nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def memory_for_volumes(pod: Pod, allocatable: int) -> int:
    """Bytes one volume in memory may have: what the Pod may use, if that is limited, else what the node has."""
    whole = pod.spec.resources
    declared = [each.resources.limits for each in pod.spec.init_containers + pod.spec.containers]
    if all(limits.get("memory") for limits in declared) or (whole is not None and whole.limits.get("memory")):
        limit = podresources.of_pod(pod.spec, "limits")["memory"].value
        return min(limit, allocatable) if limit > 0 else allocatable
    return allocatable
