"""The queue of a control loop: which key may be worked on now.

Two sets are the whole concurrency rule (client-go's): *dirty* keys wait for work, *processing* keys are in work; a
key that becomes dirty while it is in work is queued again when it is done, so no key is ever worked on twice at the
same time and no change is ever lost. Pure: time is handed in, whoever runs it asks `next_due` and waits himself.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
GRAIN = 0.0005
"""Seconds: what is due within it is due now; no loop's timer is exact, and asking again at once is a busy loop."""


class Backoff(Generic[K]):
    """Exponential per key: `first` seconds, doubled with each failure, never over `longest`."""

    def __init__(self, first: float = 0.005, longest: float = 1000.0) -> None:
        self._first, self._longest = first, longest
        self._failures: dict[K, int] = {}

    def failed(self, key: K) -> float:
        """Count a failure, return the seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return min(self._first * 2.0 ** min(failures, 60), self._longest)

    def succeeded(self, key: K) -> None:
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)


class WorkQueue(Generic[K]):
    """Keys in order of their arrival. All times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._queue: deque[K] = deque()
        self._dirty: dict[K, None] = {}
        self._processing: dict[K, None] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._sequence = 0

    def __len__(self) -> int:
        """Keys that could be taken now (as far as `advance` has told)."""
        return len(self._queue)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty[key] = None
        if key not in self._processing:
            self._queue.append(key)

    def add_at(self, key: K, when: float) -> None:
        """Add it when the clock reaches `when`; of several times for one key the earliest counts."""
        if when >= self._due.get(key, float("inf")):
            return
        self._due[key] = when
        self._sequence += 1
        heapq.heappush(self._later, (when, self._sequence, key))

    def advance(self, now: float) -> None:
        """Move what is due by `now` into the queue."""
        while self._later and self._later[0][0] <= now + GRAIN:
            when, _, key = heapq.heappop(self._later)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)

    def next_due(self) -> float | None:
        """The clock time of the next delayed key."""
        while self._later and self._due.get(self._later[0][2]) != self._later[0][0]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def take(self) -> K | None:
        """The next key, which is then in work until `done`; None where nothing waits."""
        if not self._queue:
            return None
        key = self._queue.popleft()
        self._processing[key] = None
        self._dirty.pop(key, None)
        return key

    def done(self, key: K) -> None:
        self._processing.pop(key, None)
        if key in self._dirty:
            self._queue.append(key)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in work (delayed keys do not count)."""
        return not self._dirty and not self._processing
