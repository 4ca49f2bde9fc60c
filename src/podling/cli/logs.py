"""`podling logs`: what server, node and keeper wrote, newest last."""

from __future__ import annotations

import argparse
import os

from .command import Command, Failure, add_name, existing, own_node, say


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("component", nargs="?", choices=["server", "node", "keeper"], help="only this one")
    parser.add_argument("--node", metavar="NODE", help="only of this node")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what comes")
    parser.add_argument("-n", "--lines", type=int, default=200, help="how many lines of each (default: 200)")


def run(parsed: argparse.Namespace) -> int:
    paths, spec = existing(parsed)
    files = [("server", paths.server_log)] if parsed.node is None else []
    for node in spec.nodes if parsed.node is None else (own_node(spec, parsed.node),):
        folder = paths.node(node.name)
        files += [("node", folder.log), ("keeper", folder.directory / "keeper.log")]
    chosen = [file for name, file in files if parsed.component in (None, name) and file.exists()]
    if not chosen:
        raise Failure(f'cluster "{spec.name}" has written no log yet')
    if parsed.follow:
        os.execvp("tail", ["tail", "-n", str(parsed.lines), "-F", *map(str, chosen)])
    for file in chosen:
        say(f"==> {file} <==")
        lines = file.read_text(errors="replace").splitlines()
        say("\n".join(lines[max(0, len(lines) - parsed.lines) :]))
    return 0


COMMAND = Command("logs", "print the logs of a cluster's own processes", run, arguments)
