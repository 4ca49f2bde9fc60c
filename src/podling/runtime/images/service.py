"""Images as a kubelet sees them: pull policies, layers and settings by id.

What was built or loaded here satisfies every policy, also `Always` and the `:latest` that implies it: the image that
a developer has just made is the one that is meant.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal, Protocol

from podling.env import Env
from podling.runtime.images import names
from podling.runtime.images.config import Settings
from podling.runtime.images.host import Interpreter
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.interface import Image, RuntimeFailure
from podling.runtime.rootfs import Layers, image_layers


class Puller(Protocol):
    async def pull(self, reference: names.Reference, logins: tuple[str, ...] = ()) -> Entry:
        """`logins` are tried one after the other. Raises ImageError with the reason in containerd's words."""


class ImageService:
    """The store behind the runtime. `interpreter` is what `FROM host` images show of Podling's own Python."""

    def __init__(self, store: ImageStore, puller: Puller, env: Env, interpreter: Interpreter | None = None) -> None:
        self._store, self._puller, self._env = store, puller, env
        self._interpreter = interpreter or Interpreter.running()
        self._settings: dict[str, Settings] = {}
        self._pulling: dict[str, asyncio.Lock] = {}

    async def ensure(
        self, image: str, policy: Literal["Always", "IfNotPresent", "Never"], logins: tuple[str, ...] = ()
    ) -> Image:
        """Raises RuntimeFailure: InvalidImageName, ErrImageNeverPull, ErrImagePull."""
        try:
            reference = names.parse(image)
            entry = self._store.find(image)
        except names.InvalidName as error:
            text = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}'
            raise RuntimeFailure(text, "InvalidImageName") from None
        if entry is not None and (entry.local or policy != "Always"):
            return _image(entry)
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            raise RuntimeFailure(text, "ErrImageNeverPull")
        try:
            return await self._pull(image, reference, policy, logins)
        except ImageError as error:
            text = f'failed to pull and unpack image "{reference}": {error}'
            raise RuntimeFailure(text, "ErrImagePull") from None

    async def _pull(self, image: str, reference: names.Reference, policy: str, logins: tuple[str, ...]) -> Image:
        """Pods that want the same image at once wait for one pull of it."""
        lock = self._pulling.setdefault(str(reference), asyncio.Lock())
        async with lock:
            entry = self._store.find(image) if policy == "IfNotPresent" else None
            return _image(entry or await self._puller.pull(reference, logins))

    def list(self) -> tuple[Image, ...]:
        return tuple(map(_image, self._store.list()))

    def settings(self, image: str) -> Settings:
        """Raises RuntimeFailure where the image is gone."""
        if image not in self._settings:
            try:
                self._settings[image] = self._store.config(image).settings
            except ImageError as error:
                raise RuntimeFailure(str(error), "CreateContainerError") from None
        return self._settings[image]

    def remove(self, image: str) -> None:
        """Raises RuntimeFailure while a container stands on it."""
        try:
            self._store.remove(image)
        except ImageError as error:
            raise RuntimeFailure(str(error), "ImageInUse") from None
        self._settings.pop(image, None)

    def hold(self, image: str, container: str, folder: Path) -> None:
        """The image is in use for as long as `folder` is there."""
        self._store.hold(image, container, folder)

    def layers(self, image: str) -> Layers:
        try:
            config = self._store.config(image)
        except ImageError as error:
            raise RuntimeFailure(str(error), "CreateContainerError") from None
        return image_layers(self._store, config.rootfs.diff_ids, config.on_host, self._interpreter)


def _image(entry: Entry) -> Image:
    return Image(entry.id, entry.names, entry.digests, entry.size, entry.user, entry.local)
