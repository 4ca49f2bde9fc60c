"""Folders of volumes that the cluster made itself: made when first mounted, removed when their volume goes.

The node's side of `controllers/hostpathprovisioner.py`. Every such volume of this node is a folder of its own in one
folder of the node's state, so that all of them go with the cluster. A folder is removed only because its volume says so
while it waits for that with a finalizer: a volume that is merely unknown loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from podling.api.errors import ApiError, Conflict, NotFound
from podling.api.kinds.core.persistentvolume import PersistentVolume
from podling.api.objects import Object
from podling.client.informer import Informer
from podling.client.resources import PERSISTENTVOLUMES
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env
from podling.kubelet.config import KubeletConfig
from podling.reconcile.hostpathvolumes import FINALIZER, ON_NODE, is_ours, may_lose_data
from podling.supervise import Supervisor

OPEN = 0o777
AT_ONCE, RETRY = 0.05, 5.0
log = logging.getLogger(__name__)


def make(volume: PersistentVolume) -> None:
    """The folder of a volume of ours, for whatever user a container runs as; others are left alone. Raises OSError."""
    if volume.spec.host_path is None or not is_ours(volume):
        return
    path = Path(volume.spec.host_path.path)
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # It appears with its mode or not at all: later nobody could tell one that is half made from one that was changed.
    unfinished = path.with_name(f".{path.name}")
    unfinished.mkdir(exist_ok=True)
    unfinished.chmod(OPEN)
    unfinished.rename(path)


class ProvisionedVolumes:
    """`run` beside the kubelet: removes the data of volumes that are deleted."""

    def __init__(self, config: KubeletConfig, transport: Transport, env: Env) -> None:
        self._folder, self._rest, self._env = config.volumes_folder, Rest(transport), env
        own = f"{ON_NODE}={config.node_name}"
        self._volumes = Informer(transport, PERSISTENTVOLUMES, env, label_selector=own)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """For ever; failures are tried again."""
        self._volumes.on_change(self._changed)
        async with Supervisor() as tasks:
            tasks.start("provisioned volumes", self._volumes.run())
            while True:
                await self._wake.wait()
                self._wake.clear()
                for found in [each for each in self._volumes.list() if _is_due(each)]:
                    try:
                        await self._remove(found)
                    except Conflict:
                        # Others take their finalizers off at the same time.
                        await self._env.sleep(AT_ONCE)
                        self._wake.set()
                    except (ApiError, OSError) as error:
                        log.warning("volume %s: %s", found.head.name, error)
                        await self._env.sleep(RETRY)
                        self._wake.set()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _is_due(new):
            self._wake.set()

    async def _remove(self, found: Object) -> None:
        volume: PersistentVolume = found.view
        path = self._folder / found.head.name
        if volume.spec.host_path is not None and Path(volume.spec.host_path.path) == path and path.exists():
            await self._env.in_thread(shutil.rmtree, path)
        left = [each for each in volume.metadata.finalizers if each != FINALIZER]
        metadata = {"uid": found.head.uid, "resourceVersion": str(found.revision), "finalizers": left}
        try:
            await self._rest.patch(PERSISTENTVOLUMES, "", found.head.name, {"metadata": metadata})
        except NotFound:
            return


def _is_due(found: Object) -> bool:
    volume: PersistentVolume = found.view
    return FINALIZER in volume.metadata.finalizers and may_lose_data(volume)
