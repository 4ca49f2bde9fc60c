"""`podling ip`: where NodePorts answer on this machine."""

from __future__ import annotations

import argparse

from .command import Command, add_name, existing, own_node, say


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("node", nargs="?", metavar="NODE", help="which node (default: the first)")


def run(parsed: argparse.Namespace) -> int:
    _, spec = existing(parsed)
    say(own_node(spec, parsed.node).host_address)
    return 0


COMMAND = Command("ip", "print the node's address on this machine", run, arguments)
