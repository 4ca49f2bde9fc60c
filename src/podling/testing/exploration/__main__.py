"""`python -m podling.testing.exploration FIRST COUNT`: explore seeds on all processors, say which broke a rule."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from podling.testing.exploration.explore import explore

AT_ONCE = 10


def violations(first: int, count: int, jobs: int | None = None) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(seed, the rules it broke) in order of seeds, for those of `count` seeds that broke any."""
    seeds = range(first, first + count)
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        for seed, broken in pool.map(_broken, seeds, chunksize=AT_ONCE):
            if broken:
                yield seed, broken


def _broken(seed: int) -> tuple[int, tuple[str, ...]]:
    return seed, explore(seed).violations


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m podling.testing.exploration", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--stop", action="store_true", help="stop at the first broken rule")
    given = parser.parse_args()
    found = 0
    for seed, broken in violations(given.first, given.count):
        found += 1
        print(f"seed {seed}: {broken[0]}", flush=True)
        if given.stop:
            break
    print(f"{found} of {given.count} seeds broke a rule; `podling simulate --seed N` tells one as a story")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
