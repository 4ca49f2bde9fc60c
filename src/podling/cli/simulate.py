"""`podling simulate`: one history of the control plane from a seed, told as a story, or many looked through.

Everything in it is simulated: time, nodes, failures. The same seed tells the same story, byte for byte.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .command import Command, Failure, say

if TYPE_CHECKING:
    from podling.testing.exploration.plan import Plan


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="which history (default: 1)")
    parser.add_argument("--seeds", type=int, metavar="N", help="look through N seeds from this one on, tell no story")
    parser.add_argument("--writes", action="store_true", help="tell every write to the API, too")
    parser.add_argument(
        "--shrink", action="store_true", help="where a rule is broken, tell the smallest history that breaks it"
    )


def run(parsed: argparse.Namespace) -> int:
    if parsed.seeds is not None:
        return _many(parsed.seed, parsed.seeds)
    from podling.testing.exploration.explore import explore
    from podling.testing.exploration.story import told

    plan, outcome = _plan(parsed.seed), explore(parsed.seed)
    if outcome.violations and parsed.shrink:
        from podling.testing.exploration.shrink import shrunk

        plan, outcome = shrunk(plan, outcome)
    for line in told(plan, outcome, writes=parsed.writes):
        say(line)
    return 1 if outcome.violations else 0


def _plan(seed: int) -> Plan:
    from podling.testing.exploration.mix import plan_of

    return plan_of(seed)


def _many(first: int, count: int) -> int:
    from podling.testing.exploration.__main__ import explored

    if count < 1:
        raise Failure("--seeds has to be at least 1", 2)
    found = 0
    for seed, broken in explored(first, count):
        if broken:
            found += 1
            say(f"seed {seed}: {broken[0]}")
    say(f"{found} of {count} seeds broke a rule")
    return 1 if found else 0


COMMAND = Command("simulate", "tell a simulated history of the control plane, from a seed", run, arguments)
