"""`podling demo`: the book's chapter, run for real on a cluster of its own."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from podling.cluster.spec import ClusterSpec

from .command import Command, Failure, say


def run(_: argparse.Namespace) -> int:
    from podling.cluster.demo import Demo, DemoFailed
    from podling.cluster.doctor import check_machine
    from podling.env import SystemEnv

    for check in check_machine(ClusterSpec(name="demo", number=0), ("demo",)):
        if check.level == "missing":
            raise Failure(f"{check.detail}\n  {check.mend}")
    env = SystemEnv()
    began = env.monotonic()
    with tempfile.TemporaryDirectory(prefix="podling-demo-") as folder:
        try:
            Demo(env, say, Path(folder)).run()
        except DemoFailed as error:
            raise Failure(str(error)) from error
    say(f"\nThe chapter worked, {env.monotonic() - began:.0f} s in all.")
    return 0


COMMAND = Command("demo", "run the book's chapter for real, on a cluster of its own, and delete it again", run)
