"""CPU per operation as apibench sees it: the load program and the yardstick are one Go program outside the project.

A round is every scenario on objects of 1 KiB between two runs of the yardstick, so that both sides of a quotient come
from the same minutes (see `quotients`).
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from . import yardstick
from .process import precise_cpu_seconds
from .quotients import Quotient, Quotients

SCENARIOS = {
    "get": "GET",
    "create": "create",
    "update": "update",
    "patch": "merge patch",
    "apply": "server-side apply",
    "delete": "delete",
    "list500": "LIST of 500",
    "list500rv0": "LIST of 500, resourceVersion=0",
    "watch": "watch, per 1,000 deliveries to 50",
}
"""apibench's names, and ours (`api.BOUNDS`)."""
CONNECTIONS = 8
QUIET = 0.002
"""Seconds of CPU in a fifth of a second: what a server does that has nothing to do."""


def rounds(program: str, kubeconfig: Path, pid: int, count: int, seconds: float = 0.7) -> dict[str, Quotient]:
    """By our name of the scenario, of `count` rounds."""
    found = Quotients()
    before = yardstick.of_apibench(program, 0.5)
    for _ in range(count):
        _await_quiet(pid)
        figures = _round(program, kubeconfig, pid, seconds)
        after = yardstick.of_apibench(program, 0.5)
        found.add(figures, (before, after))
        before = after
    return found.all()


def _round(program: str, kubeconfig: Path, pid: int, seconds: float) -> dict[str, float]:
    words = [program, "--kubeconfig", str(kubeconfig), "--pid", str(pid), "--conns", str(CONNECTIONS)]
    words += ["--duration", f"{seconds:g}s", "--scenarios", ",".join(SCENARIOS), "--events", "200"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = {each["scenario"]: each for each in json.loads(done.stdout)}
    if failed := {name: each["errors"] for name, each in found.items() if each["errors"]}:
        raise RuntimeError(f"apibench met errors: {failed}")
    return {SCENARIOS[name]: float(each["server_cpu_s_per_1000"]) for name, each in found.items()}


def _await_quiet(pid: int, patience: float = 30.0) -> None:
    """Until the server has taken away what the round before left behind."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = precise_cpu_seconds(pid)
        time.sleep(0.2)
        if precise_cpu_seconds(pid) - before < QUIET:
            return
