"""`make fuzz`: as many requests as asked for, over all processors; every kind of wrong answer is told once.

`python -m tests.fuzz 1000000 [seed]`. What a run finds is printed with the request, to be made a test.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from random import SystemRandom

from tests.fuzz.sending import Share, share

A_MILLION = 1_000_000


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else A_MILLION
    seed = int(arguments[1]) if len(arguments) > 1 else SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    processes = os.cpu_count() or 1
    results: list[Share]
    if processes == 1 or count < A_MILLION // 50:
        results = [share(count, seed)]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            results = pool.starmap(share, [(count // processes, seed + number) for number in range(processes)])
    problems = {kind: text for _, _, found in results for kind, text in found.items()}
    for text in problems.values():
        print(f"\nWRONG {text}")
    codes = sorted({code for _, each, _ in results for code in each})
    by_code = ", ".join(f"{code}: {sum(each.get(code, 0) for _, each, _ in results)}" for code in codes)
    print(f"\n{sum(sent for sent, _, _ in results)} requests ({by_code}); {len(problems)} kinds of wrong answers")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
