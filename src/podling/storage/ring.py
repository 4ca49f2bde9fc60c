"""The latest changes of all resources, bounded by bytes: what a watch that fell a little behind resumes from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from podling.storage.changes import Change

OVERHEAD = 300
"""Bytes a change costs beside its value."""


class Ring:
    """Every change above the revision `start`, by resource; the oldest of all leave first."""

    def __init__(self, start: int, limit: int) -> None:
        self.start = start
        self._limit = limit
        self._bytes = 0
        self._order: deque[deque[Change]] = deque()
        self._changes: dict[str, deque[Change]] = {}

    def append(self, resource: str, change: Change) -> None:
        """`resource` is the prefix of the resource's keys."""
        changes = self._changes.setdefault(resource, deque())
        changes.append(change)
        self._order.append(changes)
        self._bytes += change.size + OVERHEAD
        while self._bytes > self._limit:
            oldest = self._order.popleft().popleft()
            self._bytes -= oldest.size + OVERHEAD
            self.start = oldest.revision

    def since(self, resource: str, revision: int) -> Sequence[Change]:
        """The resource's changes above `revision`, oldest first; `revision` must not be below `start`."""
        found: list[Change] = []
        for change in reversed(self._changes.get(resource, ())):
            if change.revision <= revision:
                break
            found.append(change)
        found.reverse()
        return found
