"""Put latency of the durable store while the loop is busy four fifths of the time."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from podling.env import SystemEnv
from podling.storage.sqlite import SqliteStorage

from .report import row, title

BUSY, PERIOD = 0.8, 0.005
PUTS, WRITERS = 2000, 8


async def put_latency(folder: Path) -> None:
    title(f"Durable puts of 1 KiB from {WRITERS} writers")
    for busy in (0.0, BUSY):
        store = await SqliteStorage.open(str(folder / f"store-{busy}.sqlite"), SystemEnv())
        stop = asyncio.Event()
        spinner = asyncio.ensure_future(_spin(busy, stop))
        latencies: list[float] = []
        began = time.monotonic()
        await asyncio.gather(*(_writer(store, index, latencies) for index in range(WRITERS)))
        seconds = time.monotonic() - began
        stop.set()
        await spinner
        await store.close()
        ordered = sorted(latencies)
        row(
            f"loop {busy * 100:.0f} % busy",
            f"{PUTS / seconds:.0f}/s",
            f"p50 {1000 * statistics.median(ordered):.1f} ms",
            f"p99 {1000 * ordered[int(len(ordered) * 0.99)]:.1f} ms",
        )


async def _writer(store: SqliteStorage, index: int, latencies: list[float]) -> None:
    for number in range(PUTS // WRITERS):
        began = time.monotonic()
        await store.create(f"bench/{index}/{number}", b"x" * 1024)
        latencies.append(time.monotonic() - began)


async def _spin(busy: float, stop: asyncio.Event) -> None:
    while not stop.is_set():
        end = time.monotonic() + PERIOD * busy
        while time.monotonic() < end:
            pass
        await asyncio.sleep(PERIOD * (1 - busy))
