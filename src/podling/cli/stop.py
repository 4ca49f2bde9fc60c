"""`podling stop`: Pods end, objects stay."""

from __future__ import annotations

import argparse

from .command import Command, add_name, existing, say


def run(arguments: argparse.Namespace) -> int:
    from podling.cluster.stop import stop

    paths, _ = existing(arguments)
    if stop(paths):
        say(f'Cluster "{paths.name}" is stopped; podling start brings it back with all its objects.')
    else:
        say(f'Cluster "{paths.name}" was not running.')
    return 0


COMMAND = Command("stop", "end a cluster's Pods and processes, keep its objects", run, add_name)
