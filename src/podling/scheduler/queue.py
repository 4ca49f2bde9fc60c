"""Pods that wait for a node: ready ones by priority and age, those backing off, those that no node could take.

A Pod that found no node waits until something happens that might help it (each says what that is) and at least for
its back-off of 1, 2, 4 … 10 seconds; after five minutes it is tried again in any case. Pure: time is handed in.
"""

from __future__ import annotations

import heapq

from podling.client.workqueue import GRAIN, Backoff
from podling.scheduler.plugin import Cause
from podling.scheduler.snapshot import PodFacts

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0
PATIENCE = 300.0
"""Seconds after which an unschedulable Pod is tried again though nothing changed."""


class SchedulingQueue:
    """Every Pod is in one of: ready, backing off, waiting for a change. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._facts: dict[str, PodFacts] = {}
        self._ready: list[tuple[int, int, str]] = []
        self._order: dict[str, int] = {}
        self._stuck: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._patience: dict[str, float] = {}
        self._times: list[tuple[float, str]] = []
        self._happened = 0
        self._backoff: Backoff[str] = Backoff(FIRST_BACKOFF, LONGEST_BACKOFF)
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._facts)

    def put(self, facts: PodFacts) -> None:
        """A new Pod, or a known one that changed in what decisions read; a mere status change alters nothing."""
        known = self._facts.get(facts.key)
        self._facts[facts.key] = facts
        if known is None or not _alike(known, facts):
            self._stuck.pop(facts.key, None)
            if facts.key not in self._not_before:
                self._make_ready(facts.key)

    def drop(self, key: str) -> None:
        """Bound, deleted or not ours: forget it and its back-off."""
        if self._facts.pop(key, None) is None:
            return
        for each in (self._not_before, self._stuck, self._patience, self._order):
            each.pop(key, None)
        self._backoff.succeeded(key)

    def take(self, limit: int, now: float) -> list[PodFacts]:
        """Ready Pods, the most important first; each comes back with `unschedulable` or `retry`, or is dropped."""
        self._rouse()
        self._advance(now)
        out: list[PodFacts] = []
        while self._ready and len(out) < limit:
            _, arrival, key = heapq.heappop(self._ready)
            if self._order.get(key) == arrival:
                del self._order[key]
                out.append(self._facts[key])
        return out

    def unschedulable(self, key: str, now: float, heeds: int = Cause.ANYTHING) -> None:
        """No node could take it; `heeds` is what may change that. What happened since it was taken counts too."""
        if key in self._facts:
            self._stuck[key] = heeds
            self._patience[key] = now + PATIENCE
            heapq.heappush(self._times, (now + PATIENCE, key))
            self._back_off(key, now)

    def wait(self, key: str, now: float, heeds: int) -> None:
        """It is not ripe for a decision, which is no failure: without a back-off."""
        if key in self._facts:
            self._stuck[key] = heeds
            self._patience[key] = now + PATIENCE
            heapq.heappush(self._times, (now + PATIENCE, key))

    def retry(self, key: str, now: float) -> None:
        """Something went wrong that is not the Pod's fault (a lost answer): again after the back-off, come what may."""
        if key in self._facts:
            self._stuck.pop(key, None)
            self._patience.pop(key, None)
            self._back_off(key, now)

    def wake(self, happened: int = Cause.ANYTHING) -> None:
        """Something happened that might help: Pods that heed it become ready, those backing off when that is over."""
        if self._stuck:
            self._happened |= happened

    @property
    def stirred(self) -> bool:
        """Something happened since the last `take` that somebody may have waited for."""
        return bool(self._happened)

    def next_due(self) -> float | None:
        """When to look again though nothing happens."""
        self._rouse()
        while self._times and not self._is_due(*self._times[0]):
            heapq.heappop(self._times)
        return self._times[0][0] if self._times else None

    def _rouse(self) -> None:
        """All at once, for what happened since the last time: events come faster than decisions."""
        happened, self._happened = self._happened, 0
        if not happened:
            return
        for key in [key for key, heeds in self._stuck.items() if heeds & happened]:
            del self._stuck[key]
            self._patience.pop(key, None)
            if key in self._not_before:
                heapq.heappush(self._times, (self._not_before[key], key))
            else:
                self._make_ready(key)

    def _advance(self, now: float) -> None:
        while self._times and self._times[0][0] <= now + GRAIN:
            time, key = heapq.heappop(self._times)
            if self._not_before.get(key) == time:
                del self._not_before[key]
                if key not in self._stuck:
                    self._make_ready(key)
            if self._patience.get(key) == time:
                del self._patience[key], self._stuck[key]
                self._make_ready(key)

    def _is_due(self, time: float, key: str) -> bool:
        """The end of a back-off matters only for those who do not wait for a change besides."""
        ends = self._not_before.get(key) == time and key not in self._stuck
        return ends or self._patience.get(key) == time

    def _back_off(self, key: str, now: float) -> None:
        self._not_before[key] = now + self._backoff.failed(key)
        heapq.heappush(self._times, (self._not_before[key], key))

    def _make_ready(self, key: str) -> None:
        if key in self._order:
            return
        self._arrivals += 1
        self._order[key] = self._arrivals
        heapq.heappush(self._ready, (-self._facts[key].priority, self._arrivals, key))


def _alike(known: PodFacts, new: PodFacts) -> bool:
    mine, its = known.pod, new.pod
    if mine.status.resource_claim_statuses != its.status.resource_claim_statuses:
        return False
    return known.uid == new.uid and mine.metadata.labels == its.metadata.labels and mine.spec == its.spec
