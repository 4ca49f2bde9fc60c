"""What has to be seen of the walkthrough: CPU per operation, `make seen ISSUE=walkthrough_cpu`.

The server's CPU is read from /proc while 8 connections work on ConfigMaps of 1 KiB (1.5 KB as served), and told in y,
the cost of a bare HTTPS server in the same minutes. Where the environment variable APIBENCH gives the path of
that program, it is both the load and the yardstick (Go's net/http); elsewhere the load of `bench` and its stand-in.
The least of some rounds counts on both sides, because whatever else the machine does can only add.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import apibench, yardstick
from bench.api import BOUNDS, Bench
from bench.cluster import Measured
from bench.load import Target

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timed]
CONNECTIONS, ROUNDS = 8, 8


def test_an_operation_costs_no_more_cpu_than_the_design_allows(
    tmp_path: Path, show: Callable[[str, object, object], None]
) -> None:
    program = os.environ.get("APIBENCH")
    with Measured(tmp_path, "cpu", "--runtime", "fake") as cluster:
        pid = cluster.status()["server"]["pid"]
        if program:
            figures, y = apibench.rounds(program, cluster.kubeconfig, pid, ROUNDS)
        else:
            figures, y = asyncio.run(_measured(cluster.kubeconfig, pid))
    unit = "Go's net/http" if program else "the bare uvloop server"
    for label, bound in BOUNDS.items():
        seconds = figures[label]
        show(
            f"CPU per 1,000 × {label}",
            f"{seconds:.4f} s = {seconds / y:.1f} y (y = {y:.4f} s, {unit})",
            f"{bound:g} y",
        )
    assert not {label: figures[label] / y for label, bound in BOUNDS.items() if figures[label] > bound * y}


async def _measured(kubeconfig: Path, pid: int) -> tuple[dict[str, float], float]:
    """CPU seconds per 1,000 operations by label, and y, before and after."""
    before = await yardstick.measured(None)
    bench = Bench(Target.load(kubeconfig), pid, (CONNECTIONS,), 2, ROUNDS)
    await bench.run()
    figures = {label: found[CONNECTIONS] for label, found in bench.figures.items()}
    return figures, min(before, await yardstick.measured(None))
