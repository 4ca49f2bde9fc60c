"""Counters of the server in Prometheus' text format, under upstream's names where the meaning is the same."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)
LAG_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)

Labels = tuple[str, str, int]
"""verb, resource, code"""


class Series:
    """Durations in seconds: the requests of one verb, resource and code, or how late the loop woke up."""

    __slots__ = ("bounds", "buckets", "count", "longest", "seconds")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self.count, self.seconds, self.longest = 0, 0.0, 0.0
        self.buckets = [0] * (len(bounds) + 1)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        if seconds > self.longest:
            self.longest = seconds

    def above(self, bound: float) -> int:
        """How many took longer than `bound`, one of its bounds."""
        return sum(self.buckets[self.bounds.index(bound) + 1 :])


class Metrics:
    """Filled by the filters, printed by the /metrics endpoint. `mutating` counts writes at work, `rejected` those
    that were asked to come again, `answered` all answers."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}
        self.watches = self.mutating = self.rejected = self.answered = 0
        self.loop_lag = Series(LAG_BOUNDS)

    def requested(self, labels: Labels, seconds: float) -> None:
        self.answered += 1
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series()
        series.add(seconds)

    def text(self) -> bytes:
        return "\n".join([*self._requests(), *self._gauges(), *self._lag()]).encode() + b"\n"

    def _requests(self) -> Iterator[str]:
        found = [
            (f'verb="{verb}",resource="{resource}",code="{code}"', series)
            for (verb, resource, code), series in sorted(self._series.items())
        ]
        yield from _head("apiserver_request_total", "counter", "Requests answered.")
        for said, series in found:
            yield f"apiserver_request_total{{{said}}} {series.count}"
        yield from _head("apiserver_request_duration_seconds", "histogram", "Time until the answer began.")
        for said, series in found:
            yield from _histogram("apiserver_request_duration_seconds", said, series)

    def _gauges(self) -> Iterator[str]:
        yield from _head("apiserver_longrunning_requests", "gauge", "Watches being served.")
        yield f'apiserver_longrunning_requests{{verb="watch"}} {self.watches}'
        yield from _head("apiserver_current_inflight_requests", "gauge", "Writes at work.")
        yield f'apiserver_current_inflight_requests{{request_kind="mutating"}} {self.mutating}'
        yield from _head("podling_rejected_requests_total", "counter", "Writes that were asked to come again.")
        yield f"podling_rejected_requests_total {self.rejected}"

    def _lag(self) -> Iterator[str]:
        yield from _head("podling_loop_lag_seconds", "histogram", "How late the event loop woke up.")
        yield from _histogram("podling_loop_lag_seconds", "", self.loop_lag)


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"


def _histogram(name: str, labels: str, series: Series) -> Iterator[str]:
    total = 0
    before = f"{labels}," if labels else ""
    for bound, count in zip((*map(str, series.bounds), "+Inf"), series.buckets, strict=True):
        total += count
        yield f'{name}_bucket{{{before}le="{bound}"}} {total}'
    said = f"{{{labels}}}" if labels else ""
    yield f"{name}_sum{said} {series.seconds:.6f}"
    yield f"{name}_count{said} {total}"
