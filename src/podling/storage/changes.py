"""A committed change as the watchers of different selections see it.

A change is MODIFIED only for those whose selection held the object before and after; for the others the object
enters (ADDED) or leaves (DELETED, with the state it had, at the revision of the change), as upstream's watch cache
does. Each face of a change is one `Event`, made once and shared by all who see it, so it is encoded once.
"""

from __future__ import annotations

from podling.api.objects import Event, Object
from podling.storage.interest import Interest


class Change:
    """One commit. `event` is how a watcher without any selector sees it."""

    __slots__ = ("_entering", "_leaving", "event", "size")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.size = len(event.object.raw)
        self._entering: Event | None = None
        self._leaving: Event | None = None

    @property
    def revision(self) -> int:
        return self.event.object.revision

    def seen_by(self, interest: Interest) -> Event | None:
        """The event for a watcher with `interest`; None where it is not concerned."""
        event = self.event
        if event.type == "DELETED":
            before = event.previous or event.object
            return event if interest.concerns(before.head) else None
        after = interest.concerns(event.object.head)
        if event.previous is None:
            return event if after else None
        before_too = interest.concerns(event.previous.head)
        if after and before_too:
            return event
        if after:
            return self._as_entering()
        return self._as_leaving(event.previous) if before_too else None

    def _as_entering(self) -> Event:
        if self._entering is None:
            self._entering = Event("ADDED", self.event.object, self.event.previous)
        return self._entering

    def _as_leaving(self, previous: Object) -> Event:
        if self._leaving is None:
            self._leaving = Event("DELETED", previous.at(self.revision), previous)
        return self._leaving
