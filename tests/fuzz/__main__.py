"""`make fuzz`: as many requests as asked for, over all processors; every kind of wrong answer is told once.

`python -m tests.fuzz 1000000 [seed]`. What a run finds is printed with the request, to be made a test.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import re
import sys
from collections import Counter
from random import Random, SystemRandom
from typing import Any

from tests.fuzz.generating import request
from tests.fuzz.serving import Fuzzed

A_MILLION = 1_000_000
BATCH, ROUND = 40, 500
"""Requests sent at once, and how many times, to one server; then the next one, whose store is empty again."""


def share(count: int, seed: int) -> tuple[int, dict[int, int], dict[str, str]]:
    """(requests sent, answers by code, what was wrong by its kind)"""
    logging.getLogger("podling").addHandler(logging.StreamHandler(sys.stderr))
    loop, random = asyncio.new_event_loop(), Random(seed)
    found, codes = dict[str, str](), Counter[int]()
    while codes.total() < count:
        server = Fuzzed()
        loop.run_until_complete(server.start())
        for _ in range(min(ROUND, (count - codes.total()) // BATCH + 1)):
            for each in loop.run_until_complete(server.all([request(random) for _ in range(BATCH)])):
                found.setdefault(re.sub(r"[0-9a-f-]{8,}|\d+", "N", each.partition("\n")[0])[:160], each)
        loop.run_until_complete(server.stop())
        codes.update(server.codes)
    return codes.total(), dict(codes), found


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else A_MILLION
    seed = int(arguments[1]) if len(arguments) > 1 else SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    processes = os.cpu_count() or 1
    results: list[Any]
    if processes == 1 or count < A_MILLION // 10:
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
