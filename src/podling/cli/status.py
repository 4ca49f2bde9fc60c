"""`podling status`: which parts of a cluster run, and what runs in its Pods."""

from __future__ import annotations

import argparse

import msgspec

from .command import Command, Failure, add_name, existing, say

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
    parts = {"server": found.server, "node": found.node, "keeper": found.keeper}
    if spec.simulated:
        parts = {"server": found.server}
    if parsed.output == "json":
        say(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        say(f"cluster  {found.name}: {'running' if found.running else 'stopped'}")
        for name, part in parts.items():
            say(f"{name:<8} {f'running (pid {part.pid})' if part.running else 'stopped'}")
        say(f"api      {found.api}\nnode     {found.address}   proxy mode {found.proxy_mode}, runtime {found.runtime}")
        if found.containers:
            say(f"\n{HEAD}")
        for each in found.containers:
            say(f"{each.namespace:<16} {each.pod:<40} {each.container:<20} {each.state:<10} {each.pid or ''}")
    return 0 if all(part.running for part in parts.values()) else 3


COMMAND = Command("status", "show what runs of a cluster", run, arguments)
