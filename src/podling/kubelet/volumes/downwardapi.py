"""downwardAPI: fields of the Pod as files in memory, updated when labels, annotations or resources change."""

from __future__ import annotations

from collections.abc import Sequence

from podling.api.kinds.core.volume import DownwardAPIVolumeFile, Volume
from podling.kubelet import downward
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.keys import DEFAULT_MODE
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, VolumeType


def payload(
    items: Sequence[DownwardAPIVolumeFile], context: MountContext, mode: int | None = None, user: int | None = None
) -> dict[str, File]:
    """The files of a downward API source. Raises MountFailure for a field that is not served."""
    mode = DEFAULT_MODE if mode is None else mode
    out: dict[str, File] = {}
    for item in items:
        own = mode if item.mode is None else item.mode
        out[item.path] = File(_value(item, context).encode(), own, user if item.user is None else item.user)
    return out


def _value(item: DownwardAPIVolumeFile, context: MountContext) -> str:
    try:
        if item.field_ref is not None:
            return downward.field(context.pod, item.field_ref.field_path, context.pod_ip, context.node)
        if item.resource_field_ref is not None:
            return downward.resource(context.pod, None, item.resource_field_ref, context.node)
    except ValueError as error:
        raise MountFailure(str(error)) from error
    return ""


class _DownwardVolume:
    source = "downward_api"

    def references(self, volume: Volume) -> References:
        return References()

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.downward_api
        assert wanted is not None
        files = payload(wanted.items, context, wanted.default_mode, wanted.default_user)
        return Mounted(context.folder, files, in_memory=True)


VOLUME: VolumeType = _DownwardVolume()
