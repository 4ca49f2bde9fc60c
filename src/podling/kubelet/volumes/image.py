"""image: the files of an image as a volume, read-only (KEP-4639).

Here is only the folder: the image itself is pulled and mounted with the first container that wants it, so that a pull
that fails is told where users look for it, in the container's status.
"""

from __future__ import annotations

from podling.api.kinds.core.volume import Volume
from podling.kubelet.volumes.types import MountContext, Mounted, References, VolumeType


class _ImageVolume:
    source = "image"

    def references(self, volume: Volume) -> References:
        return References()

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        context.folder.mkdir(parents=True, exist_ok=True)
        return Mounted(context.folder)


VOLUME: VolumeType = _ImageVolume()
