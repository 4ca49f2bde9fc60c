"""Counters of the server in Prometheus' text format, under upstream's names where the meaning is the same."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)


Labels = tuple[str, str, int]
"""verb, resource, code"""


class Series:
    """Durations in seconds: the requests of one verb, resource and code, or how late the loop woke up."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class Metrics:
    """Filled by the filters, printed by the /metrics endpoint."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}
        self.watches = 0
        self.loop_lag = Series()

    def requested(self, labels: Labels, seconds: float) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series()
        series.add(seconds)

    def text(self) -> bytes:
        lines = ["# HELP apiserver_request_total Requests answered.", "# TYPE apiserver_request_total counter"]
        found = sorted(self._series.items())
        for (verb, resource, code), series in found:
            said = f'verb="{verb}",resource="{resource}",code="{code}"'
            lines.append(f"apiserver_request_total{{{said}}} {series.count}")
        lines += [
            "# HELP apiserver_request_duration_seconds Time until the answer began.",
            "# TYPE apiserver_request_duration_seconds histogram",
        ]
        for (verb, resource, code), series in found:
            said = f'verb="{verb}",resource="{resource}",code="{code}"'
            lines += _histogram("apiserver_request_duration_seconds", said, series)
        lines += [
            "# HELP apiserver_longrunning_requests Watches being served.",
            "# TYPE apiserver_longrunning_requests gauge",
            f'apiserver_longrunning_requests{{verb="watch"}} {self.watches}',
            "# HELP podling_loop_lag_seconds How late the event loop woke up, asked four times a second.",
            "# TYPE podling_loop_lag_seconds histogram",
            *_histogram("podling_loop_lag_seconds", "", self.loop_lag),
        ]
        return "\n".join(lines).encode() + b"\n"


def _histogram(name: str, labels: str, series: Series) -> list[str]:
    total, lines = 0, []
    before = f"{labels}," if labels else ""
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), series.buckets, strict=True):
        total += count
        lines.append(f'{name}_bucket{{{before}le="{bound}"}} {total}')
    said = f"{{{labels}}}" if labels else ""
    return [*lines, f"{name}_sum{said} {series.seconds:.6f}", f"{name}_count{said} {total}"]
