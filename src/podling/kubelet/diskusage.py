"""What a Pod has written to the node's disk: into its containers' own files, its logs, its volumes.

ConfigMaps count, because the node keeps them on disk; what is in memory does not, nor what belongs to others, such as a
hostPath. (Kubernetes documentation, "Local ephemeral storage".)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import Volume
from podling.kubelet.limits import Usage
from podling.kubelet.podstate import PodState
from podling.kubelet.surroundings import Surroundings
from podling.runtime.disk import size_of


async def usage_of(around: Surroundings, pod: Pod, state: PodState, volumes: Mapping[str, Path]) -> Usage:
    """Everything that is there now; the folders of the volumes by name."""
    meta = pod.metadata
    logs = around.config.log_folder(meta.namespace, meta.name, meta.uid)
    containers: dict[str, int] = {}
    for run in state.all():
        containers[run.name] = containers.get(run.name, 0) + await around.runtime.written(run.id)
    for name in containers:
        containers[name] += await around.env.in_thread(size_of, logs / name)
    local = [volume.name for volume in pod.spec.volumes if _is_local(volume) and volume.name in volumes]
    return Usage(containers, {name: await around.env.in_thread(size_of, volumes[name]) for name in local})


def _is_local(volume: Volume) -> bool:
    scratch = volume.empty_dir is not None and not volume.empty_dir.medium
    return scratch or volume.config_map is not None
