"""`python -m bench [SECTION …]`: measure, and print medians with their ranges.

Sections: start, idle, pods, nodeport, store, api, scale. The API section takes any cluster: `--kubeconfig FILE
--pid PID` of its server process on this machine (its CPU is read from /proc); without them it starts a cluster of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

from . import yardstick
from .api import BOUNDS, Bench
from .cluster import Measured
from .lifecycle import cold_start, idle, node_port, pods_ready
from .load import Target
from .report import row, title
from .scale import scale
from .store import put_latency

SECTIONS = ("start", "idle", "pods", "nodeport", "store", "api", "scale")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--rounds", type=int, default=3, help="of start, pods, nodeport (default: 3)")
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--connections", default="1,8,32")
    parser.add_argument("--scale", type=int, default=2, help="how many operations; 2 is 2,000 GETs")
    parser.add_argument("--kubeconfig", type=Path, help="api: of any cluster")
    parser.add_argument("--pid", type=int, help="api: its server's process")
    parser.add_argument("--apibench", help="api: the path of apibench, whose yardstick gives the unit y")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="podling-bench-") as name:
        folder = Path(name)
        for section in given.sections or SECTIONS:
            _run(section, folder, given)


def _run(section: str, folder: Path, given: argparse.Namespace) -> None:
    match section:
        case "start":
            cold_start(folder, given.rounds)
        case "idle":
            idle(folder, given.idle_seconds)
        case "pods":
            pods_ready(folder, given.rounds)
        case "nodeport":
            node_port(folder, given.rounds)
        case "store":
            asyncio.run(put_latency(folder))
        case "api":
            _api(folder, given)
        case "scale":
            scale(folder)


def _api(folder: Path, given: argparse.Namespace) -> None:
    if given.kubeconfig:
        if not given.pid:
            raise SystemExit("--kubeconfig needs --pid, the server's process on this machine")
        asyncio.run(_measure(given, Target.load(given.kubeconfig), given.pid))
    else:
        with Measured(folder / "api", "bench", "--runtime", "fake") as cluster:
            asyncio.run(_measure(given, Target.load(cluster.kubeconfig), cluster.status()["server"]["pid"]))


async def _measure(given: argparse.Namespace, target: Target, pid: int) -> None:
    connections = tuple(int(count) for count in given.connections.split(","))
    program = shutil.which(given.apibench) if given.apibench else None
    y = await yardstick.measured(program)
    bench = Bench(target, pid, connections, given.scale)
    await bench.run()
    y = min(y, await yardstick.measured(program))
    title("CPU seconds of the server per 1,000 operations (ConfigMap of 1.5 KB, TLS)")
    print(
        f"y = {y:.4f}, by {'net/http' if program else 'the bare server'}; the last columns are those of 8 connections"
    )
    row("", *(f"c={count}" for count in connections), "in y", "bound")
    for label, found in bench.figures.items():
        figures = [f"{found[count]:.4f}" if count in found else "" for count in connections]
        in_y = f"{found[8] / y:.1f}" if 8 in found else ""
        row(label, *figures, in_y, f"{BOUNDS[label]:g}")


if __name__ == "__main__":
    main()
