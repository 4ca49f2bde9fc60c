"""secret: its keys as files, updated when it changes."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from podling.api.kinds.core.references import KeyToPath
from podling.api.kinds.core.volume import Volume
from podling.kubelet.environment import Sources
from podling.kubelet.volumes import keys
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, VolumeType


def payload(
    name: str,
    items: Sequence[KeyToPath],
    optional: bool,
    sources: Sources,
    mode: int | None = None,
    user: int | None = None,
) -> dict[str, File]:
    """The files of one Secret. Raises MountFailure if it or a key is missing and not optional."""
    secret = sources.secrets.get(name)
    if secret is None:
        if optional:
            return {}
        raise MountFailure(f'secret "{name}" not found')
    data = {key: base64.b64decode(value) for key, value in secret.data.items()}
    return keys.files(data, items, mode, user, optional, "secret")


class _SecretVolume:
    source = "secret"

    def references(self, volume: Volume) -> References:
        assert volume.secret is not None
        return References(secrets=(volume.secret.secret_name,))

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.secret
        assert wanted is not None
        files = payload(
            wanted.secret_name,
            wanted.items,
            bool(wanted.optional),
            context.sources,
            wanted.default_mode,
            wanted.default_user,
        )
        return Mounted(context.folder, files)


VOLUME: VolumeType = _SecretVolume()
