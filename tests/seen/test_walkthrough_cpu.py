"""What has to be seen of the walkthrough: CPU per operation, `make seen ISSUE=walkthrough_cpu`.

The server's CPU is read from /proc while 8 connections work on ConfigMaps of 1 KiB (1.5 KB as served), and told in y,
the cost of a bare HTTPS server in the same minutes. Where the environment variable APIBENCH gives the path of
that program, it is both the load and the yardstick (Go's net/http); elsewhere the load of `bench` and its stand-in.
Each round is divided by the yardsticks around it, and the median of the rounds counts (`bench.quotients`).
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
from bench.quotients import Quotient, Quotients

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timed]
CONNECTIONS, ROUNDS = 8, 12


def test_an_operation_costs_no_more_cpu_than_the_design_allows(
    tmp_path: Path, show: Callable[[str, object, object], None]
) -> None:
    program = os.environ.get("APIBENCH")
    with Measured(tmp_path, "cpu", "--runtime", "fake") as cluster:
        pid = cluster.status()["server"]["pid"]
        if program:
            found = apibench.rounds(program, cluster.kubeconfig, pid, ROUNDS)
        else:
            found = asyncio.run(_measured(cluster.kubeconfig, pid))
    unit = "Go's net/http" if program else "the bare uvloop server"
    for label, bound in BOUNDS.items():
        show(f"CPU per 1,000 × {label}, in y of {unit}", found[label], f"{bound:g} y")
    assert not {label: found[label].times for label, bound in BOUNDS.items() if found[label].times > bound}


async def _measured(kubeconfig: Path, pid: int) -> dict[str, Quotient]:
    found = Quotients()
    before = await yardstick.measured(None, 1)
    for _ in range(ROUNDS):
        bench = Bench(Target.load(kubeconfig), pid, (CONNECTIONS,), 2)
        await bench.run()
        after = await yardstick.measured(None, 1)
        found.add({label: each[CONNECTIONS] for label, each in bench.figures.items()}, (before, after))
        before = after
    return found.all()
