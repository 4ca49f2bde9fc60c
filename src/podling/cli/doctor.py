"""`podling doctor`: what this machine lacks and the command that mends it."""

from __future__ import annotations

import argparse

from podling.cluster.doctor import check_machine
from podling.cluster.spec import ClusterSpec

from .command import Command, say
from .start import add_wishes

MARKS = {"ok": "✓", "warning": "!", "missing": "✗"}


def run(arguments: argparse.Namespace) -> int:
    spec = ClusterSpec(name="doctor", number=0, runtime=arguments.runtime, proxy_mode=arguments.proxy_mode)
    checks = check_machine(spec)
    for check in checks:
        say(f"{MARKS[check.level]} {check.name:10} {check.detail}")
        if check.mend and check.level != "ok":
            say(f"{'':13}→ {check.mend}")
    return int(any(check.level == "missing" for check in checks))


COMMAND = Command("doctor", "say what this machine lacks, why, and the command that mends it", run, add_wishes)
