"""`make fuzz`: as many requests as asked for, over all processors; every kind of wrong answer is told once.

`python -m tests.fuzz 1000000 [seed]`. What a run finds is printed with the request, to be made a test.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator
from random import SystemRandom

from tests.fuzz.sending import BATCH, ROUND, Share, share

A_MILLION = 1_000_000
SHARE = BATCH * ROUND
"""Requests in one share: what one server gets."""


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else A_MILLION
    seed = int(arguments[1]) if len(arguments) > 1 else SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    problems, codes = dict[str, str](), Counter[int]()
    for sent, each, found in _shares(count, seed):
        codes.update(each)
        for kind, text in found.items():
            if kind not in problems:
                problems[kind] = text
                print(f"\nWRONG {text}", flush=True)
        if sent == SHARE:
            print(f"{codes.total()} requests, {len(problems)} kinds of wrong answers", flush=True)
    by_code = ", ".join(f"{code}: {codes[code]}" for code in sorted(codes))
    print(f"\n{codes.total()} requests ({by_code}); {len(problems)} kinds of wrong answers")
    return 1 if problems else 0


def _shares(count: int, seed: int) -> Iterator[Share]:
    """As they are done; the n-th begins with the chance of `seed` + n."""
    sizes = [min(SHARE, count - first) for first in range(0, count, SHARE)]
    processes = min(os.cpu_count() or 1, len(sizes))
    if processes == 1:
        yield from (share(size, seed + number) for number, size in enumerate(sizes))
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done = [pool.apply_async(share, (size, seed + number)) for number, size in enumerate(sizes)]
        for each in done:
            yield each.get()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
