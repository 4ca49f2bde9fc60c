"""`python -m bench [SECTION …]`: measure, and print medians with their ranges.

Sections: start, idle, pods, nodeport, store, api. The API section takes any cluster: `--kubeconfig FILE --pid PID` of
its server process on this machine (its CPU is read from /proc); without them it starts a cluster of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

from .api import Bench
from .cluster import Measured
from .lifecycle import cold_start, idle, node_port, pods_ready
from .load import Target
from .store import put_latency

SECTIONS = ("start", "idle", "pods", "nodeport", "store", "api")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), choices=[*SECTIONS, []], metavar="SECTION")
    parser.add_argument("--rounds", type=int, default=3, help="of start, pods, nodeport (default: 3)")
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--connections", default="1,8,32")
    parser.add_argument("--scale", type=int, default=2, help="how many operations; 2 is 2,000 GETs")
    parser.add_argument("--kubeconfig", type=Path, help="api: of any cluster")
    parser.add_argument("--pid", type=int, help="api: its server's process")
    parser.add_argument("--apibench", help="api: the program `apibench`, whose yardstick gives the unit y")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podling-bench-") as name:
        folder = Path(name)
        for section in given.sections:
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


def _api(folder: Path, given: argparse.Namespace) -> None:
    connections = tuple(int(count) for count in given.connections.split(","))
    if given.kubeconfig:
        if not given.pid:
            raise SystemExit("--kubeconfig needs --pid, the server's process on this machine")
        asyncio.run(Bench(Target.load(given.kubeconfig), given.pid, connections, given.scale).run())
    else:
        with Measured(folder / "api", "bench", "--runtime", "fake") as cluster:
            pid = cluster.status()["server"]["pid"]
            asyncio.run(Bench(Target.load(cluster.kubeconfig), pid, connections, given.scale).run())
    if given.apibench and shutil.which(given.apibench):
        subprocess.run([given.apibench, "yardstick", "-conns", given.connections], check=True)


if __name__ == "__main__":
    main()
