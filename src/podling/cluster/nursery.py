"""The node processes of a start, from one that loads their modules once and forks.

Nothing runs here yet that a fork would hurt: no thread, no loop, no connection. What was loaded is shared by all until
one of them writes to it. Each node gets a warden, which forks the node process and forks it again when that dies; with
its own log, pipes and session it goes its own way from there, and the process that forked them ends at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from podling.env import SystemEnv

from .child import begin_log, live
from .launch import Reporter
from .node import PROGRAM, body, prepare
from .paths import ClusterPaths
from .warden import Warden


class Unborn(NamedTuple):
    """A child to be, and its descriptors."""

    node: str
    go: int
    report: int
    log: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="podling.cluster.nursery")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--child", nargs=4, action="append", metavar=("NODE", "GO", "REPORT", "LOG"), required=True)
    given = parser.parse_args()
    children = [Unborn(node, *map(int, descriptors)) for node, *descriptors in given.child]
    gc.collect()
    gc.freeze()
    for child in children:
        if os.fork() == 0:
            os._exit(_be(child, children, ClusterPaths(given.root, given.name)))
    return 0


def _be(child: Unborn, children: Sequence[Unborn], paths: ClusterPaths) -> int:
    """The life of one node's warden; returns its exit code."""
    os.setsid()
    os.dup2(child.log, 1)
    os.dup2(child.log, 2)
    for other in children:
        os.close(other.log)
        if other is not child:
            os.close(other.go)
            os.close(other.report)
    begin_log()

    def life(reporter: Reporter) -> int:
        reporter.born()
        return live(PROGRAM, paths, child.node, reporter, prepare, body)

    try:
        return Warden(paths.node(child.node), life, SystemEnv()).run(Reporter(child.go, child.report))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
