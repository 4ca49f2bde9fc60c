"""emptyDir: a folder that lives as long as the Pod, on disk or in memory."""

from __future__ import annotations

import os
from pathlib import Path

from podling.api.kinds.core.volume import EmptyDirVolumeSource, Volume
from podling.api.quantity import parse
from podling.kubelet.volumes import tmpfs
from podling.kubelet.volumes.types import MountContext, Mounted, References, VolumeType

OPEN = 0o777


def _make(wanted: EmptyDirVolumeSource, path: Path, group: int | None) -> None:
    if path.is_dir() and (wanted.medium != "Memory" or os.path.ismount(path)):
        return
    path.mkdir(parents=True, exist_ok=True)
    if wanted.medium == "Memory":
        tmpfs.mount(path, parse(wanted.size_limit).value if wanted.size_limit else None)
    mode = OPEN if wanted.mode is None else wanted.mode
    if group is not None:
        os.chown(path, -1, group)
        mode |= 0o2070
    path.chmod(mode)


class _EmptyDirVolume:
    source = "empty_dir"

    def references(self, volume: Volume) -> References:
        return References()

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        assert volume.empty_dir is not None
        _make(volume.empty_dir, context.folder, context.group)
        return Mounted(context.folder)


VOLUME: VolumeType = _EmptyDirVolume()
