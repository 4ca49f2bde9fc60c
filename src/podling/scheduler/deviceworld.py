"""Slices, classes and claims of devices, kept for decisions as the informers tell of them."""

from __future__ import annotations

from collections.abc import Callable

from podling.api.objects import Object
from podling.client.informer import Informer, Informers
from podling.client.resources import DEVICECLASSES, DEVICETAINTRULES, RESOURCECLAIMS, RESOURCESLICES
from podling.scheduler.devices import Devices, claim_of, class_of, slice_of


class DeviceWorld:
    """`listen` once the informers have synced; `changed` is called after each change."""

    def __init__(self, informers: Informers, changed: Callable[[], None]) -> None:
        self.devices = Devices()
        self.claims = informers.of(RESOURCECLAIMS)
        self._slices, self._classes = informers.of(RESOURCESLICES), informers.of(DEVICECLASSES)
        self._rules = informers.of(DEVICETAINTRULES)
        self._changed = changed

    @property
    def informers(self) -> tuple[Informer, ...]:
        return (self.claims, self._slices, self._classes, self._rules)

    def listen(self) -> None:
        self.claims.on_change(self._claim)
        self._slices.on_change(self._slice)
        self._classes.on_change(self._class)
        self._rules.on_change(self._rule)

    def _claim(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            claim = claim_of(new.json())
            self.devices.claims[claim.key] = claim
        elif old is not None:
            self.devices.claims.pop(f"{old.head.namespace}/{old.head.name}", None)
        self._changed()

    def _slice(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.devices.set_slice(new.head.name, slice_of(new.json()))
        elif old is not None:
            self.devices.set_slice(old.head.name, None)
        self._changed()

    def _class(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.devices.classes[new.head.name] = class_of(new.json())
        elif old is not None:
            self.devices.classes.pop(old.head.name, None)
        self._changed()

    def _rule(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.devices.rules[new.head.name] = new.json()["spec"]
        elif old is not None:
            self.devices.rules.pop(old.head.name, None)
        self._changed()
