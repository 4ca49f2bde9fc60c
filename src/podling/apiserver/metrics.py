"""Counters of the server in Prometheus' text format, under upstream's names where the meaning is the same."""

from __future__ import annotations

from collections import defaultdict

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)


class Metrics:
    """Filled by the filters, printed by the /metrics endpoint."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)
        self.watches = 0
        self.loop_lag = 0.0
        """The longest the loop was held lately, in seconds."""

    def requested(self, verb: str, resource: str, code: int, seconds: float) -> None:
        self._requests[verb, resource, code] += 1
        buckets = self._buckets[verb]
        for index, bound in enumerate(BOUNDS):
            if seconds <= bound:
                buckets[index] += 1
                break
        else:
            buckets[-1] += 1
        self._seconds[verb] += seconds

    def text(self) -> bytes:
        lines = ["# HELP apiserver_request_total Requests answered.", "# TYPE apiserver_request_total counter"]
        for (verb, resource, code), count in sorted(self._requests.items()):
            lines.append(f'apiserver_request_total{{verb="{verb}",resource="{resource}",code="{code}"}} {count}')
        lines += [
            "# HELP apiserver_request_duration_seconds Time until the answer began.",
            "# TYPE apiserver_request_duration_seconds histogram",
        ]
        for verb, buckets in sorted(self._buckets.items()):
            lines += self._histogram(verb, buckets)
        lines += [
            "# HELP apiserver_longrunning_requests Watches being served.",
            "# TYPE apiserver_longrunning_requests gauge",
            f'apiserver_longrunning_requests{{verb="watch"}} {self.watches}',
            "# HELP podling_loop_lag_seconds How late the event loop woke up, at most, lately.",
            "# TYPE podling_loop_lag_seconds gauge",
            f"podling_loop_lag_seconds {self.loop_lag:.6f}",
        ]
        return "\n".join(lines).encode() + b"\n"

    def _histogram(self, verb: str, buckets: list[int]) -> list[str]:
        name, total, lines = "apiserver_request_duration_seconds", 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{verb="{verb}",le="{bound}"}} {total}')
        return [
            *lines,
            f'{name}_sum{{verb="{verb}"}} {self._seconds[verb]:.6f}',
            f'{name}_count{{verb="{verb}"}} {total}',
        ]
