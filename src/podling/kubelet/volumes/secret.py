"""secret: its keys as files in memory, updated when it changes."""

from __future__ import annotations

from podling.api.kinds.core.volume import Volume
from podling.kubelet.volumes import keys
from podling.kubelet.volumes.types import MountContext, Mounted, References, VolumeType


class _SecretVolume:
    source = "secret"

    def references(self, volume: Volume) -> References:
        assert volume.secret is not None
        return References(secrets=(volume.secret.secret_name,))

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.secret
        assert wanted is not None
        files = keys.payload(
            "secret",
            wanted.secret_name,
            wanted.items,
            bool(wanted.optional),
            context.sources,
            wanted.default_mode,
            wanted.default_user,
        )
        return Mounted(context.folder, files, in_memory=True)


VOLUME: VolumeType = _SecretVolume()
