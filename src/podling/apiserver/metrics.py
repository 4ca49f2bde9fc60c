"""Counters of the server in Prometheus' text format, under upstream's names where the meaning is the same."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)


Labels = tuple[str, str, int]
"""verb, resource, code"""


class Series:
    """The requests of one verb, resource and code."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)


class Metrics:
    """Filled by the filters, printed by the /metrics endpoint."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}
        self.watches = 0
        self.loop_lag = 0.0
        """The longest the loop was held lately, in seconds."""

    def requested(self, labels: Labels, seconds: float) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series()
        series.count += 1
        series.seconds += seconds
        series.buckets[bisect_left(BOUNDS, seconds)] += 1

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
        for labels, series in found:
            lines += _histogram(labels, series)
        lines += [
            "# HELP apiserver_longrunning_requests Watches being served.",
            "# TYPE apiserver_longrunning_requests gauge",
            f'apiserver_longrunning_requests{{verb="watch"}} {self.watches}',
            "# HELP podling_loop_lag_seconds How late the event loop woke up, at most, lately.",
            "# TYPE podling_loop_lag_seconds gauge",
            f"podling_loop_lag_seconds {self.loop_lag:.6f}",
        ]
        return "\n".join(lines).encode() + b"\n"


def _histogram(labels: Labels, series: Series) -> list[str]:
    verb, resource, code = labels
    name, said = "apiserver_request_duration_seconds", f'verb="{verb}",resource="{resource}",code="{code}"'
    total, lines = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), series.buckets, strict=True):
        total += count
        lines.append(f'{name}_bucket{{{said},le="{bound}"}} {total}')
    return [*lines, f"{name}_sum{{{said}}} {series.seconds:.6f}", f"{name}_count{{{said}}} {total}"]
