"""What stands behind a claim: a Pod's volume that names one becomes the place that its PersistentVolume names.

Only volumes that are a path of the node (`hostPath`, `local`) can be mounted here; whatever else a volume is, the Pod
is told. The claim has to be bound, and to this very volume (Kubernetes documentation, "Claims As Volumes").
"""

from __future__ import annotations

import msgspec

from podling.api.errors import ApiError
from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import HostPathVolumeSource, Volume
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.client.rest import Rest
from podling.kubelet import provisionedvolumes
from podling.kubelet.volumes.types import MountFailure


class NotProcessed(MountFailure):
    """The claim cannot be used yet; the text is what follows `failed to process volumes=[x]: `."""


async def resolved(volume: Volume, pod: Pod, rest: Rest) -> Volume:
    """The volume as it is to be mounted; itself where it names no claim. Raises MountFailure."""
    if volume.persistent_volume_claim is not None:
        name = volume.persistent_volume_claim.claim_name
    elif volume.ephemeral is not None:
        name = f"{pod.metadata.name}-{volume.name}"
    else:
        return volume
    try:
        found = await _behind(name, volume, pod, rest)
    except NotProcessed as error:
        raise NotProcessed(f"error processing PVC {pod.metadata.namespace}/{name}: {error}") from error
    return msgspec.structs.replace(volume, persistent_volume_claim=None, ephemeral=None, host_path=_path(found))


async def _behind(name: str, volume: Volume, pod: Pod, rest: Rest) -> PersistentVolume:
    try:
        answer = await rest.get(PERSISTENTVOLUMECLAIMS, pod.metadata.namespace, name)
    except ApiError as error:
        raise NotProcessed(f"failed to fetch PVC from API server: {error}") from error
    claim = msgspec.convert(answer.object, PersistentVolumeClaim)
    if volume.ephemeral is not None and pod.metadata.uid not in {each.uid for each in claim.metadata.owner_references}:
        raise NotProcessed(f"PVC was not created for pod {pod.metadata.namespace}/{pod.metadata.name}")
    if claim.metadata.deletion_timestamp:
        raise NotProcessed("PVC is being deleted")
    if claim.status.phase != "Bound" or not claim.spec.volume_name:
        raise NotProcessed("PVC is not bound")
    try:
        answer = await rest.get(PERSISTENTVOLUMES, "", claim.spec.volume_name)
    except ApiError as error:
        raise NotProcessed(f'failed to fetch PV "{claim.spec.volume_name}" from API server: {error}') from error
    found = msgspec.convert(answer.object, PersistentVolume)
    if found.spec.claim_ref is None or found.spec.claim_ref.uid != claim.metadata.uid:
        raise NotProcessed(f'PV "{claim.spec.volume_name}" is bound to another claim')
    return found


def _path(found: PersistentVolume) -> HostPathVolumeSource:
    """Where the data lies. A local volume has to be there already. Raises MountFailure."""
    if found.spec.volume_mode == "Block":
        raise MountFailure("volumes of mode Block are not supported by this node")
    if found.spec.host_path is not None:
        provisionedvolumes.make(found)
        return found.spec.host_path
    if found.spec.local is not None:
        return HostPathVolumeSource(found.spec.local.path, "Directory")
    raise MountFailure("only PersistentVolumes of type hostPath and local are supported by this node")
