"""Pods that wait for a node: ready ones by priority and age, those backing off, those that no node could take.

A Pod that found no node waits until something changes that might help it (a node, a Pod that went away) and at least
for its back-off of 1, 2, 4 … 10 seconds; after five minutes it is tried again in any case. Pure: time is handed in.
"""

from __future__ import annotations

import heapq

from podling.client.workqueue import GRAIN, Backoff
from podling.scheduler.snapshot import PodFacts

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0
PATIENCE = 300.0
"""Seconds after which an unschedulable Pod is tried again though nothing changed."""


class SchedulingQueue:
    """Every Pod is in one of: ready, backing off, waiting for a change. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._facts: dict[str, PodFacts] = {}
        self._ready: list[tuple[int, int, str]] = []
        self._not_before: dict[str, float] = {}
        self._stuck: dict[str, float] = {}
        self._order: dict[str, int] = {}
        self._backoff: Backoff[str] = Backoff(FIRST_BACKOFF, LONGEST_BACKOFF)
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._facts)

    def put(self, facts: PodFacts) -> None:
        """A new Pod, or a known one that changed in what decisions read; a mere status change alters nothing."""
        known = self._facts.get(facts.key)
        self._facts[facts.key] = facts
        if known is None or known.uid != facts.uid or known.signature != facts.signature:
            self._stuck.pop(facts.key, None)
            if facts.key not in self._not_before:
                self._make_ready(facts.key)

    def drop(self, key: str) -> None:
        """Bound, deleted or not ours: forget it and its back-off."""
        self._facts.pop(key, None)
        self._not_before.pop(key, None)
        self._stuck.pop(key, None)
        self._order.pop(key, None)
        self._backoff.succeeded(key)

    def take(self, limit: int, now: float) -> list[PodFacts]:
        """Ready Pods, the most important first; each comes back with `unschedulable` or `retry`, or is dropped."""
        self._advance(now)
        out: list[PodFacts] = []
        while self._ready and len(out) < limit:
            _, arrival, key = heapq.heappop(self._ready)
            if self._order.get(key) == arrival:
                del self._order[key]
                out.append(self._facts[key])
        return out

    def unschedulable(self, key: str, now: float) -> None:
        if key in self._facts:
            self._stuck[key] = now + PATIENCE
            self._not_before[key] = now + self._backoff.failed(key)

    def retry(self, key: str, now: float) -> None:
        """Something went wrong that is not the Pod's fault (a lost answer): again after the back-off."""
        if key in self._facts:
            self._not_before[key] = now + self._backoff.failed(key)

    def wake(self) -> None:
        """Something changed that might help: all waiting Pods become ready, those backing off when that is over."""
        stuck, self._stuck = self._stuck, {}
        for key in stuck:
            if key not in self._not_before:
                self._make_ready(key)

    def next_due(self) -> float | None:
        """When to look again though nothing happens."""
        times = [time for key, time in self._not_before.items() if key not in self._stuck]
        return min([*times, *self._stuck.values()], default=None)

    def _advance(self, now: float) -> None:
        now += GRAIN
        for key in [key for key, patience in self._stuck.items() if patience <= now]:
            del self._stuck[key]
            self._not_before.setdefault(key, now)
        for key in [key for key, time in self._not_before.items() if time <= now]:
            del self._not_before[key]
            if key not in self._stuck:
                self._make_ready(key)

    def _make_ready(self, key: str) -> None:
        if key in self._order:
            return
        self._arrivals += 1
        self._order[key] = self._arrivals
        heapq.heappush(self._ready, (-(self._facts[key].pod.spec.priority or 0), self._arrivals, key))
