"""How long the loop is held: a task that wishes to be woken soon sees how late it is.

Every hundredth of a second while requests come, so that a hold of a few milliseconds is not missed; four times a
second while none do, because an idle server should cost nothing. A machine that gives its processors to others makes
everybody late: more than the loop's own thread has worked meanwhile, it was not held.
"""

from __future__ import annotations

import time

from podling.apiserver.metrics import Metrics
from podling.env import Env

BUSY_SECONDS, IDLE_SECONDS = 0.01, 0.25


async def watch_lag(env: Env, metrics: Metrics) -> None:
    """For ever; what it sees goes into `metrics.loop_lag`."""
    seen = 0
    while True:
        pause = IDLE_SECONDS if metrics.answered == seen else BUSY_SECONDS
        seen, before, worked = metrics.answered, env.monotonic(), time.thread_time()
        await env.sleep(pause)
        late = env.monotonic() - before - pause
        metrics.loop_lag.add(max(0.0, min(late, time.thread_time() - worked)))
