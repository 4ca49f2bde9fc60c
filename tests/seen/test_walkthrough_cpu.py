"""What has to be seen of the walkthrough: CPU per operation, `make seen ISSUE=walkthrough_cpu`.

The server's CPU is read from /proc while 8 connections work on ConfigMaps of 1.5 KB, and told in y, the cost of a
bare HTTPS server in the same minutes: Go's, where the environment variable APIBENCH gives the path of that program,
else the stand-in of `bench.yardstick`. The least of some rounds counts on both sides, because whatever else the
machine does can only add.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import yardstick
from bench.api import BOUNDS, Bench
from bench.cluster import Measured
from bench.load import Target

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timed]
CONNECTIONS, ROUNDS = 8, 4


def test_an_operation_costs_no_more_cpu_than_the_design_allows(
    tmp_path: Path, show: Callable[[str, object, object], None]
) -> None:
    program = os.environ.get("APIBENCH")
    with Measured(tmp_path, "cpu", "--runtime", "fake") as cluster:
        figures, y = asyncio.run(_measured(cluster, program))
    unit = "Go's net/http" if program else "the bare uvloop server"
    for label, bound in BOUNDS.items():
        seconds = figures[label][CONNECTIONS]
        show(
            f"CPU per 1,000 × {label}",
            f"{seconds:.4f} s = {seconds / y:.1f} y (y = {y:.4f} s, {unit})",
            f"{bound:g} y",
        )
    beyond = {
        label: figures[label][CONNECTIONS] / y
        for label, bound in BOUNDS.items()
        if figures[label][CONNECTIONS] > bound * y
    }
    assert not beyond


async def _measured(cluster: Measured, program: str | None) -> tuple[dict[str, dict[int, float]], float]:
    """CPU seconds per 1,000 operations by label and connections, and y, before and after."""
    before = await yardstick.measured(program)
    bench = Bench(Target.load(cluster.kubeconfig), cluster.status()["server"]["pid"], (CONNECTIONS,), 2, ROUNDS)
    await bench.run()
    return bench.figures, min(before, await yardstick.measured(program))
