"""configMap: its keys as files, updated when it changes."""

from __future__ import annotations

from podling.api.kinds.core.volume import Volume
from podling.kubelet.volumes import keys
from podling.kubelet.volumes.types import MountContext, Mounted, References, VolumeType


class _ConfigMapVolume:
    source = "config_map"

    def references(self, volume: Volume) -> References:
        assert volume.config_map is not None
        return References(config_maps=(volume.config_map.name,))

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.config_map
        assert wanted is not None
        files = keys.payload(
            "configmap",
            wanted.name,
            wanted.items,
            bool(wanted.optional),
            context.sources,
            wanted.default_mode,
            wanted.default_user,
        )
        return Mounted(context.folder, files)


VOLUME: VolumeType = _ConfigMapVolume()
