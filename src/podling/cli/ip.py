"""`podling ip`: where NodePorts answer on this machine."""

from __future__ import annotations

import argparse

from .command import Command, add_name, existing, say


def run(arguments: argparse.Namespace) -> int:
    _, spec = existing(arguments)
    say(spec.host_address)
    return 0


COMMAND = Command("ip", "print the node's address on this machine", run, add_name)
