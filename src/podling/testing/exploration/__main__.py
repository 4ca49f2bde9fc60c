"""`python -m podling.testing.exploration FIRST COUNT`: explore seeds on all processors, say which broke a rule."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

from podling.testing.exploration.explore import explore

AT_ONCE = 4
"""Seeds that a process takes at a time; who stops at the first broken rule waits for no more."""


def violations(first: int, count: int, jobs: int | None = None) -> Generator[tuple[int, tuple[str, ...]], None, None]:
    """(seed, the rules it broke) in order of seeds, for those of `count` seeds that broke any."""
    seeds = range(first, first + count)
    pool = ProcessPoolExecutor(jobs or os.cpu_count())
    try:
        for seed, broken in pool.map(_broken, seeds, chunksize=AT_ONCE):
            if broken:
                yield seed, broken
    finally:
        pool.shutdown(cancel_futures=True)


def _broken(seed: int) -> tuple[int, tuple[str, ...]]:
    return seed, explore(seed).violations


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m podling.testing.exploration", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--stop", action="store_true", help="stop at the first broken rule")
    given = parser.parse_args()
    found = 0
    with closing(violations(given.first, given.count)) as alarms:
        for seed, broken in alarms:
            found += 1
            print(f"seed {seed}: {broken[0]}", flush=True)
            if given.stop:
                break
    print(f"{found} of {given.count} seeds broke a rule; `podling simulate --seed N` tells one as a story")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
