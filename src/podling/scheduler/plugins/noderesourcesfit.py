"""NodeResourcesFit: what is asked has to be free; the emptiest node is liked best (LeastAllocated)."""

from __future__ import annotations

from podling.scheduler.plugin import HIGHEST, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts


def refuse(facts: PodFacts, node: NodeFacts) -> Refusal | None:
    short: list[str] = []
    helpless = False
    limit = node.allocatable.get("pods", 0)
    if len(node.pods) + 1 > limit:
        short.append("Too many pods")
        helpless = limit == 0
    for name, asked in facts.requests.items():
        allocatable = node.allocatable.get(name, 0)
        if asked and asked > allocatable - node.requested[name]:
            short.append(f"Insufficient {name}")
            helpless = helpless or asked > allocatable
    return Refusal(tuple(short), helpless) if short else None


def score(facts: PodFacts, node: NodeFacts) -> float:
    shares = [
        max(0, capacity - node.used[name] - facts.usage.get(name, 0)) * HIGHEST // capacity
        for name in ("cpu", "memory")
        if (capacity := node.allocatable.get(name, 0))
    ]
    return float(sum(shares) // len(shares)) if shares else 0.0


PLUGIN = Plugin("NodeResourcesFit", refuse=refuse, score=score)
