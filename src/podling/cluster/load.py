"""A bounded load of plain HTTP requests, one connection each, and how many of them failed.

Runs here, and as a program inside a Pod (`python3 -c SOURCE URL COUNT`), where requests take the way that Services
give them; hence the standard library only. As a program it prints `done N` now and then and at the end the outcome.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT = 10.0
WORKERS = 8
REPORT_EVERY = 50


class Outcome(NamedTuple):
    """How a load went; `reasons` counts what the failed ones saw."""

    sent: int
    failed: int
    reasons: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        why = f" ({', '.join(f'{count} × {reason}' for reason, count in self.reasons)})" if self.reasons else ""
        return f"{self.failed} of {self.sent} requests failed{why}"


def request(url: str) -> str:
    """Empty when the answer was 200, else what went wrong."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path, headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return "" if response.status == 200 else f"HTTP {response.status}"
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def send(url: str, count: int, meanwhile: Callable[[int], None] = lambda done: None) -> Outcome:
    """`count` requests from eight threads; `meanwhile(done)` is called in this thread after each answer."""
    reasons: Counter[str] = Counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, reason in enumerate(pool.map(lambda _: request(url), range(count)), 1):
            if reason:
                reasons[reason] += 1
            meanwhile(done)
    return Outcome(count, sum(reasons.values()), tuple(reasons.most_common()))


def parse(line: str) -> Outcome | int:
    """A line of the program's output: how many are done, or the outcome."""
    word, _, rest = line.partition(" ")
    if word == "done":
        return int(rest)
    sent, failed, reasons = json.loads(rest)
    return Outcome(sent, failed, tuple((reason, count) for reason, count in reasons))


def main(url: str, count: int) -> None:
    def progress(done: int) -> None:
        if done % REPORT_EVERY == 0:
            print("done", done, flush=True)

    print("outcome", json.dumps(send(url, count, progress)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
