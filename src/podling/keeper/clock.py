"""The keeper's clocks: the one edge of this process where time is taken from the machine.

The keeper cannot use `podling.env` (it would import asyncio, and it must stay small) and nothing of it is simulated.
"""

from __future__ import annotations

import time


def now() -> float:
    """Wall clock, seconds since the epoch."""
    return time.time()  # noqa: TID251  (see above)


def monotonic() -> float:
    return time.monotonic()  # noqa: TID251  (see above)


def stamp() -> str:
    """Now, as a container log has it: RFC 3339 in UTC with nanoseconds."""
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)  # noqa: TID251  (see above)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanos:09d}Z"
