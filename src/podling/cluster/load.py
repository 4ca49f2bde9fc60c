"""A bounded load of plain HTTP requests, one connection each, and how many of them failed."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a load went; `reasons` counts what the failed ones saw."""

    sent: int
    failed: int
    reasons: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        why = f" ({', '.join(f'{count} × {reason}' for reason, count in self.reasons)})" if self.reasons else ""
        return f"{self.failed} of {self.sent} requests failed{why}"


def request(address: str, port: int, path: str) -> str:
    """Empty when the answer was 200, else what went wrong."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return "" if response.status == 200 else f"HTTP {response.status}"
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def send(
    address: str, port: int, path: str, count: int, workers: int, meanwhile: Callable[[int], None] | None = None
) -> Outcome:
    """`count` requests from `workers` threads; `meanwhile(done)` is called in this thread after each answer."""
    reasons: Counter[str] = Counter()
    with ThreadPoolExecutor(workers) as pool:
        answers = pool.map(lambda _: request(address, port, path), range(count))
        for done, reason in enumerate(answers, 1):
            if reason:
                reasons[reason] += 1
            if meanwhile:
                meanwhile(done)
    return Outcome(count, reasons.total(), tuple(reasons.most_common()))
