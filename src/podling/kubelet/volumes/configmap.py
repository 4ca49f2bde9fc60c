"""configMap: its keys as files, updated when it changes."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.references import KeyToPath
from podling.api.kinds.core.volume import Volume
from podling.kubelet.environment import Sources
from podling.kubelet.volumes import keys
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, VolumeType


def content(config_map: ConfigMap) -> dict[str, bytes]:
    """All keys with their bytes."""
    text = {key: value.encode() for key, value in config_map.data.items()}
    return text | {key: base64.b64decode(value) for key, value in config_map.binary_data.items()}


def payload(
    name: str,
    items: Sequence[KeyToPath],
    optional: bool,
    sources: Sources,
    mode: int | None = None,
    user: int | None = None,
) -> dict[str, File]:
    """The files of one ConfigMap. Raises MountFailure if it or a key is missing and not optional."""
    config_map = sources.config_maps.get(name)
    if config_map is None:
        if optional:
            return {}
        raise MountFailure(f'configmap "{name}" not found')
    return keys.files(content(config_map), items, mode, user, optional, "configmap")


class _ConfigMapVolume:
    source = "config_map"

    def references(self, volume: Volume) -> References:
        assert volume.config_map is not None
        return References(config_maps=(volume.config_map.name,))

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.config_map
        assert wanted is not None
        files = payload(
            wanted.name,
            wanted.items,
            bool(wanted.optional),
            context.sources,
            wanted.default_mode,
            wanted.default_user,
        )
        return Mounted(context.folder, files)


VOLUME: VolumeType = _ConfigMapVolume()
