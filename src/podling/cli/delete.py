"""`podling delete`: nothing is left."""

from __future__ import annotations

import argparse
import os

from .command import Command, Failure, add_name, paths_of, say


def run(arguments: argparse.Namespace) -> int:
    from podling.cluster.doctor import sudo_command
    from podling.cluster.stop import delete

    paths = paths_of(arguments)
    if paths.directory.exists() and not os.access(paths.directory, os.W_OK):
        raise Failure(f"{paths.directory} belongs to root:\n  {sudo_command(['delete', '--name', paths.name])}")
    if not delete(paths):
        say(f'There was no cluster "{paths.name}".')
        return 0
    say(f'Cluster "{paths.name}" is deleted; nothing of it is left.')
    return 0


COMMAND = Command("delete", "end a cluster and remove everything of it", run, add_name)
