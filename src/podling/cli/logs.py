"""`podling logs`: what server, node and keeper wrote, newest last."""

from __future__ import annotations

import argparse
import os

from .command import Command, Failure, add_name, existing, say


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("component", nargs="?", choices=["server", "node", "keeper"], help="only this one")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what comes")
    parser.add_argument("-n", "--lines", type=int, default=200, help="how many lines of each (default: 200)")


def run(parsed: argparse.Namespace) -> int:
    paths, spec = existing(parsed)
    node = paths.node(spec.node_name)
    files = {"server": paths.server_log, "node": node.log, "keeper": node.directory / "keeper.log"}
    chosen = [file for name, file in files.items() if parsed.component in (None, name) and file.exists()]
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
