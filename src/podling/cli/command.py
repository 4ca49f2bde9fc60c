"""What a command of the command line is, and how it speaks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from podling.cluster.nodespec import NodeSpec
from podling.cluster.paths import ClusterPaths, state_root
from podling.cluster.spec import ClusterSpec, SpecError, check_name, load


class Failure(Exception):
    """The command cannot be done: the message is for the user, the exit code is 1 unless said otherwise."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Command:
    """One subcommand; its module exposes it as COMMAND."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
    passthrough: bool = False
    """True where everything behind the name belongs to another program (`podling kubectl …`)."""


def add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="podling", help="which cluster (default: podling)")


def paths_of(arguments: argparse.Namespace) -> ClusterPaths:
    """Where the cluster named on the command line lies. Raises Failure for an impossible name."""
    try:
        return ClusterPaths(state_root(), check_name(arguments.name))
    except SpecError as error:
        raise Failure(str(error), 2) from error


def existing(arguments: argparse.Namespace) -> tuple[ClusterPaths, ClusterSpec]:
    """The cluster named on the command line, which must exist."""
    paths = paths_of(arguments)
    try:
        spec = load(paths)
    except PermissionError as error:
        raise Failure(f"{paths.directory} belongs to root: use sudo") from error
    except SpecError as error:
        raise Failure(str(error)) from error
    if spec is None:
        raise Failure(f'there is no cluster "{paths.name}" in {paths.root}: podling start makes it')
    return paths, spec


def own_node(spec: ClusterSpec, name: str | None) -> NodeSpec:
    """The cluster's own node of this name, its first one where none is named. Raises Failure."""
    node = spec.node(name) if name else spec.first
    if node is None:
        names = ", ".join(each.name for each in spec.nodes)
        raise Failure(f'cluster "{spec.name}" has no node "{name}" of its own, only {names}')
    return node


def say(text: str = "") -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(f"podling: {text}", file=sys.stderr, flush=True)
