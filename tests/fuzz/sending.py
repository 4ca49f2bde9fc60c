"""One process's share of the fuzzing. A module of its own, so that a spawned process can import it."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import Counter
from random import Random

from tests.fuzz.generating import request
from tests.fuzz.serving import Fuzzed

Share = tuple[int, dict[int, int], dict[str, str]]
"""Requests sent, answers by code, what was wrong by its kind."""
BATCH, ROUND = 40, 500
"""Requests sent at once, and how many times, to one server; then the next one, whose store is empty again."""


def share(count: int, seed: int) -> Share:
    """So many requests, of a chance that begins with `seed`."""
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
