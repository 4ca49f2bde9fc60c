"""Images that nobody needs make room when the disk gets full.

Above the high mark pulled images go, the one that was longest unused first, until the low mark is reached. One that a
container stands on stays, so does a new one, and so does what was built or loaded here, for nobody could pull it again
(Kubernetes documentation, "Garbage Collection": container images).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from podling.env import Env
from podling.kubelet.config import KubeletConfig
from podling.runtime.interface import Image, Runtime, RuntimeFailure

log = logging.getLogger(__name__)


class Disk(msgspec.Struct, frozen=True):
    """In bytes."""

    capacity: int
    available: int


def disk_of(folder: Path) -> Disk:
    """The file system that a folder lies on. Raises OSError."""
    state = os.statvfs(folder)
    return Disk(state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize)


class Known(msgspec.Struct, frozen=True):
    """Wall-clock seconds at which an image was first seen, and last seen in use (0.0: never)."""

    seen: float
    used: float = 0.0


def surplus(disk: Disk, high: int, low: int) -> int:
    """Bytes to be freed; the marks are percent of the disk that are used."""
    if not disk.capacity or 100 - disk.available * 100 // disk.capacity < high:
        return 0
    return max(disk.capacity * (100 - low) // 100 - disk.available, 0)


def noticed(known: Mapping[str, Known], images: Sequence[Image], used: Collection[str], now: float) -> dict[str, Known]:
    """What is known after another look."""
    out: dict[str, Known] = {}
    for image in images:
        before = known.get(image.id) or Known(now)
        out[image.id] = msgspec.structs.replace(before, used=now) if image.id in used else before
    return out


def candidates(
    images: Sequence[Image], known: Mapping[str, Known], used: Collection[str], now: float, minimum_age: float
) -> list[Image]:
    """What may go, in the order in which it goes."""
    free = [each for each in images if not each.pinned and each.id not in used]
    old = [each for each in free if now - known[each.id].seen >= minimum_age]
    return sorted(old, key=lambda image: (known[image.id].used, known[image.id].seen))


class ImageGc:
    """`look` now and then; `collect` less often."""

    def __init__(self, config: KubeletConfig, runtime: Runtime, env: Env, disk: Callable[[], Disk]) -> None:
        self._config, self._runtime, self._env, self._disk = config, runtime, env, disk
        self._known: dict[str, Known] = {}

    async def collect(self) -> int:
        """Look which images are in use, and free what the marks ask for; the bytes of what went. Raises
        RuntimeFailure or OSError."""
        config, now = self._config, self._env.now()
        images = await self._runtime.images()
        used = {container.image for container in (await self._runtime.list())[1]}
        self._known = noticed(self._known, images, used, now)
        wanted = surplus(self._disk(), config.image_gc_high, config.image_gc_low)
        freed = 0
        for image in candidates(images, self._known, used, now, config.image_gc_minimum_age) if wanted else ():
            if freed >= wanted:
                break
            try:
                await self._runtime.remove_image(image.id)
            except RuntimeFailure as failure:  # somebody else's container stands on it
                log.info("image %s stays: %s", image.id, failure.message)
                continue
            freed += image.size
        if freed < wanted:
            log.info("the disk is full by %d bytes too much, and %d bytes of images could go", wanted, freed)
        return freed
