"""A loop that is held shows in the histogram on /metrics."""

from __future__ import annotations

import asyncio
import time

from podling.apiserver.looplag import watch_lag
from podling.apiserver.metrics import Metrics
from podling.env import SystemEnv
from tests.apiserver.serving import serving


async def test_a_hold_of_the_loop_is_seen() -> None:
    metrics = Metrics()
    metrics.answered = 1
    task = asyncio.ensure_future(watch_lag(SystemEnv(), metrics))
    await asyncio.sleep(0)
    until = time.thread_time() + 0.04
    while time.thread_time() < until:
        pass
    async with asyncio.timeout(5):
        while not metrics.loop_lag.count:
            await asyncio.sleep(0.001)
    assert metrics.loop_lag.longest > 0.02 and metrics.loop_lag.above(0.02) == 1
    task.cancel()


async def test_a_machine_that_is_busy_elsewhere_holds_no_loop() -> None:
    metrics = Metrics()
    metrics.answered = 1
    task = asyncio.ensure_future(watch_lag(SystemEnv(), metrics))
    await asyncio.sleep(0)
    time.sleep(0.04)  # noqa: ASYNC251  nothing is done meanwhile, as when others have the processor
    async with asyncio.timeout(5):
        while not metrics.loop_lag.count:
            await asyncio.sleep(0.001)
    assert metrics.loop_lag.above(0.02) == 0
    task.cancel()


async def test_metrics_show_the_lag_as_a_histogram() -> None:
    async with serving() as api:
        text = (await api.get("/metrics")).text
        assert "# TYPE podling_loop_lag_seconds histogram" in text
        assert 'podling_loop_lag_seconds_bucket{le="0.005"}' in text
