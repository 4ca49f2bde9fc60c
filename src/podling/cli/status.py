"""`podling status`: which parts of a cluster run, and what runs in its Pods."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from podling.cluster.spec import ClusterSpec

from .command import Command, Failure, add_name, existing, say

if TYPE_CHECKING:
    from podling.cluster.status import ClusterStatus, Part

HEAD = f"{'NAMESPACE':<16} {'POD':<40} {'CONTAINER':<20} {'STATE':<10} PID"


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def run(parsed: argparse.Namespace) -> int:
    """0 where everything runs that should, 3 where something does not, as minikube's status does."""
    from podling.cluster.status import status

    paths, spec = existing(parsed)
    try:
        found = status(paths, spec)
    except PermissionError as error:
        raise Failure(f"{error.filename} may be read by root only: use sudo") from error
    if parsed.output == "json":
        say(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _show(spec, found)
    parts = [found.server]
    if not spec.simulated:
        parts += [part for each in found.nodes for part in (each.node, each.keeper)]
    return 0 if all(part.running for part in parts) else 3


def _show(spec: ClusterSpec, found: ClusterStatus) -> None:
    several = len(found.nodes) > 1
    say(f"cluster  {found.name}: {'running' if found.running else 'stopped'}")
    say(f"server   {_words(found.server)}")
    for each in () if spec.simulated else found.nodes:
        if several:
            say(f"node     {each.name:<16} {each.address:<15} {_words(each.node)}, keeper {_words(each.keeper)}")
        else:
            say(f"node     {_words(each.node)}\nkeeper   {_words(each.keeper)}")
    modes = f"proxy mode {found.proxy_mode}, runtime {found.runtime}"
    say(f"api      {found.api}")
    say(f"nodes    {modes}" if several else f"node     {found.address}   {modes}")
    if found.containers:
        say(f"\n{HEAD}{'   NODE' if several else ''}")
    for one in found.containers:
        line = f"{one.namespace:<16} {one.pod:<40} {one.container:<20} {one.state:<10} {one.pid or ''!s:<5}"
        say(f"{line} {one.node}" if several else line.rstrip())


def _words(part: Part) -> str:
    return f"running (pid {part.pid})" if part.running else "stopped"


COMMAND = Command("status", "show what runs of a cluster", run, arguments)
