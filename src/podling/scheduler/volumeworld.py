"""Claims, volumes, classes and attach limits, kept for decisions as the informers tell of them."""

from __future__ import annotations

from collections.abc import Callable

from podling.api.objects import Object
from podling.client.informer import Informer, Informers
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.client.transport import Resource
from podling.scheduler.volumes import Volumes, claim_of, class_of, limits_of, volume_of

CLASSES = Resource("storage.k8s.io", "v1", "storageclasses")
CSI_NODES = Resource("storage.k8s.io", "v1", "csinodes")


class VolumeWorld:
    """`listen` once the informers have synced; `changed` is called after each change."""

    def __init__(self, informers: Informers, changed: Callable[[], None]) -> None:
        self.volumes = Volumes()
        self.claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self.persistent_volumes = informers.of(PERSISTENTVOLUMES)
        self._classes, self._nodes = informers.of(CLASSES), informers.of(CSI_NODES)
        self._changed = changed

    @property
    def informers(self) -> tuple[Informer, ...]:
        return (self.claims, self.persistent_volumes, self._classes, self._nodes)

    def listen(self) -> None:
        self.claims.on_change(self._claim)
        self.persistent_volumes.on_change(self._volume)
        self._classes.on_change(self._class)
        self._nodes.on_change(self._limits)

    def _claim(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            claim = claim_of(new.json())
            self.volumes.claims[claim.key] = claim
        elif old is not None:
            key = f"{old.head.namespace}/{old.head.name}"
            self.volumes.claims.pop(key, None)
            self.volumes.release(key)
        self._changed()

    def _volume(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            volume = volume_of(new.json())
            self.volumes.volumes[volume.name] = volume
        elif old is not None:
            self.volumes.volumes.pop(old.head.name, None)
        self._changed()

    def _class(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.volumes.classes[new.head.name] = class_of(new.json())
        elif old is not None:
            self.volumes.classes.pop(old.head.name, None)
        self._changed()

    def _limits(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.volumes.limits[new.head.name] = limits_of(new.json())
        elif old is not None:
            self.volumes.limits.pop(old.head.name, None)
        self._changed()
