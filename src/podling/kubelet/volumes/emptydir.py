"""emptyDir: a folder that lives as long as the Pod, on disk or in memory."""

from __future__ import annotations

from podling.api.kinds.core.volume import EmptyDirVolumeSource, Volume
from podling.api.quantity import parse
from podling.kubelet.volumes import folder
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, VolumeType


def _memory(wanted: EmptyDirVolumeSource, most: int | None) -> int | None:
    """Bytes of its tmpfs; None: it is on disk."""
    if wanted.medium != "Memory" or most is None:
        return None
    limit = parse(wanted.size_limit).value if wanted.size_limit else 0
    return min(limit, most) if limit > 0 else most


class _EmptyDirVolume:
    source = "empty_dir"

    def references(self, volume: Volume) -> References:
        return References()

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.empty_dir
        assert wanted is not None
        if wanted.medium not in ("", "Memory"):
            raise MountFailure(f'unknown storage medium "{wanted.medium}"')
        folder.make(context.folder, _memory(wanted, context.memory), context.group, wanted.mode)
        return Mounted(context.folder)


VOLUME: VolumeType = _EmptyDirVolume()
