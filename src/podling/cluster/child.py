"""What server and node process share: arguments, the pipes to their starter, the end on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from podling.runtime.machine import NoRuntime
from podling.supervise import Supervisor

from .launch import Reporter
from .nodespec import NodeSpec
from .paths import ClusterPaths, NodePaths
from .spec import ClusterSpec, SpecError, load

SWITCH_INTERVAL = 0.0005
"""A thread of C code that comes back waits this long for the interpreter at most (DESIGN 8)."""
QUIET_COLLECTIONS = (10_000, 250, 1000)
"""Many small looks at what is young: one at 50,000 objects held the loop for 28 ms."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Child:
    """One process of a cluster."""

    paths: ClusterPaths
    spec: ClusterSpec
    reporter: Reporter
    node: NodeSpec
    """Whose process it is; the server's is the first, which lives there where it is simulated."""

    @property
    def node_paths(self) -> NodePaths:
        return self.paths.node(self.node.name)


def parse(program: str) -> tuple[ClusterPaths, str, Reporter]:
    """Where the cluster lies, the node's name (empty: the first) and whom to tell."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--node", default="")
    parser.add_argument("--go-fd", type=int, default=-1)
    parser.add_argument("--report-fd", type=int, default=-1)
    given = parser.parse_args()
    return ClusterPaths(given.root, given.name), given.node, Reporter(given.go_fd, given.report_fd)


def run(program: str, prepare: Callable[[Child], T], body: Callable[[Child, T, Supervisor], Awaitable[None]]) -> int:
    """`prepare` runs before there is a loop or a thread, `body` gets what it returned, starts components and returns
    when all are up. Returns the exit code."""
    return live(program, *parse(program), prepare, body)


def live(
    program: str,
    paths: ClusterPaths,
    name: str,
    reporter: Reporter,
    prepare: Callable[[Child], T],
    body: Callable[[Child, T, Supervisor], Awaitable[None]],
) -> int:
    """The same where nothing is asked of the command line."""
    begin_log()
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_descriptor_limit()
    if not reporter.wait_for_go():
        return 1
    try:
        spec = load(paths)
        if spec is None:
            raise SpecError(f"{paths.spec} is missing")
        if (node := spec.node(name) if name else spec.first) is None:
            raise SpecError(f'cluster "{spec.name}" has no node "{name}"')
        child = Child(paths, spec, reporter, node)
        prepared = prepare(child)
        _loop()(_live(child, lambda tasks: body(child, prepared, tasks)))
    except Exception as error:
        # The last resort of the process: whoever started it learns why, and the log has the whole story.
        logging.exception("%s failed", program)
        reporter.error(explain(error), bug=not isinstance(error, OSError | SpecError | NoRuntime))
        return 1
    return 0


def begin_log() -> None:
    """On stderr, which is the process's log."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _raise_descriptor_limit() -> None:
    """A relayed connection takes two descriptors, a watch one; the usual soft limit of 1,024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def explain(error: BaseException) -> str:
    """One line for a user."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"another program listens there already: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return str(error) or type(error).__name__


def _loop() -> Callable[[Awaitable[None]], None]:
    try:
        import uvloop
    except ImportError:
        return lambda main: asyncio.run(main)  # type: ignore[arg-type]
    return lambda main: uvloop.run(main)  # type: ignore[arg-type]


async def _live(child: Child, body: Callable[[Supervisor], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    async with Supervisor() as tasks:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, tasks.finish)
        await body(tasks)
        _settle()
        child.reporter.ready()
        await tasks.wait()
        logging.info("told to end")


def _settle() -> None:
    """What is loaded now stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*QUIET_COLLECTIONS)
