"""The volumes of one Pod: mounted together, written again when something they show has changed, removed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from podling.api.errors import ApiError
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import Volume
from podling.api.quantity import parse
from podling.kubelet.config import KubeletConfig
from podling.kubelet.environment import Sources
from podling.kubelet.limits import memory_for_volumes
from podling.kubelet.surroundings import Surroundings
from podling.kubelet.volumes import atomic, folder
from podling.kubelet.volumes.atomic import Payload
from podling.kubelet.volumes.claims import NotProcessed, resolved
from podling.kubelet.volumes.mounting import unmount
from podling.kubelet.volumes.parts import Parts
from podling.kubelet.volumes.registry import type_of
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, follows, total


class VolumeError(Exception):
    """Volumes of a Pod cannot be mounted; each text is the whole message of a FailedMount event."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(messages[0])
        self.messages = tuple(messages)


class PodVolumes:
    def __init__(self, around: Surroundings, uid: str, wake: Callable[[], None]) -> None:
        """`wake` is called when a ConfigMap or Secret the Pod refers to has changed."""
        self._around, self._uid, self._wake = around, uid, wake
        self._folder = around.config.pod_folder(uid) / "volumes"
        self.paths: Mapping[str, Path] = {}
        self.refresh_at: float | None = None
        """When a token has to be renewed, wall clock."""

    async def mount(self, pod: Pod) -> None:
        """Make all volumes show the present state; one that fails keeps no other back. Raises VolumeError."""
        sources = await self._sources(pod)
        paths = dict(self.paths)
        refresh: list[float] = []
        failures: list[str] = []
        for volume in pod.spec.volumes:
            if volume.name in self.paths and not follows(volume):
                continue
            try:
                mounted = await self._mount(volume, pod, sources)
            except NotProcessed as error:
                failures.append(_unprocessed(volume.name, str(error)))
            except (MountFailure, OSError, ApiError) as error:
                failures.append(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}')
            else:
                paths[volume.name] = mounted.path
                if mounted.refresh_at is not None:
                    refresh.append(mounted.refresh_at)
        self.paths, self.refresh_at = paths, min(refresh) if refresh else None
        if failures:
            raise VolumeError(failures)

    def unmount(self) -> None:
        """Remove everything; hostPath's folders are the node's and stay. Blocks: for a thread. Raises OSError."""
        unmount_all(self._around.config, self._uid)

    async def _sources(self, pod: Pod) -> Sources:
        wanted = total(_references(volume) for volume in pod.spec.volumes)
        config_maps, secrets = await self._around.references.use(
            self._uid,
            pod.metadata.namespace,
            dict.fromkeys(wanted.config_maps),
            dict.fromkeys(wanted.secrets),
            self._wake,
        )
        bundles = await self._around.references.bundles(self._uid, self._wake) if wanted.trust_bundles else ()
        return Sources(config_maps, secrets, bundles)

    async def _mount(self, volume: Volume, pod: Pod, sources: Sources) -> Mounted:
        volume = await resolved(volume, pod, self._around.rest)
        kind = type_of(volume)
        context = MountContext(
            pod=pod,
            folder=self._folder / volume.name,
            pod_ip=pod.status.pod_ip,
            sources=sources,
            node=self._around.node,
            token=partial(self._around.tokens.token, pod),
            certificate=partial(self._around.certificates.credentials, pod, self._wake),
            memory=self._memory(pod),
        )
        mounted = await kind.mount(volume, context)
        if mounted.payload is not None:
            stamp = f"{int(self._around.env.now() * 1000)}_{self._around.env.suffix()}"
            # Files are written in a thread: on a slow disk a folder and its links take longer than a loop may be held.
            await self._around.env.in_thread(_write, mounted, mounted.payload, context, stamp)
        return mounted

    def _memory(self, pod: Pod) -> int | None:
        if not self._around.config.may_mount:
            return None
        return memory_for_volumes(pod, parse(self._around.node.allocatable["memory"]).value)


def _write(mounted: Mounted, payload: Payload, context: MountContext, stamp: str) -> None:
    folder.make(mounted.path, context.memory if mounted.in_memory else None, context.group)
    atomic.write(mounted.path, payload, stamp, context.group)


def _unprocessed(name: str, why: str) -> str:
    unmounted = f"unmounted volumes=[{name}], unattached volumes=[]"
    return f"Unable to attach or mount volumes: {unmounted}, failed to process volumes=[{name}]: {why}"


def parts_of(config: KubeletConfig, uid: str) -> Parts:
    return Parts(config.parts_folder(uid) if config.may_mount else None)


def unmount_all(config: KubeletConfig, uid: str) -> None:
    """Remove the volumes of any Pod, the parts before the whole. Blocks. Raises OSError."""
    parts_of(config, uid).release()
    volumes = config.pod_folder(uid) / "volumes"
    for name in os.listdir(volumes) if volumes.is_dir() else ():
        if os.path.ismount(volumes / name):
            unmount(volumes / name)
    shutil.rmtree(volumes, ignore_errors=True)


def _references(volume: Volume) -> References:
    try:
        return type_of(volume).references(volume)
    except MountFailure:
        # Said when it is mounted.
        return References()
