"""NodeResourcesFit: what is asked has to be free; the emptiest node is liked best (LeastAllocated)."""

from __future__ import annotations

from podling.scheduler.plugin import HIGHEST, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts


def refuse(facts: PodFacts, node: NodeFacts) -> Refusal | None:
    allocatables, requested = node.allocatable, node.requested
    short: list[str] = []
    helpless = False
    limit = allocatables.get("pods", 0)
    if len(node.pods) + 1 > limit:
        short.append("Too many pods")
        helpless = limit == 0
    for name, asked in facts.requests.items():
        allocatable = allocatables.get(name, 0)
        if asked and asked > allocatable - requested[name]:
            short.append(f"Insufficient {name}")
            helpless = helpless or asked > allocatable
    return Refusal(tuple(short), helpless) if short else None


def score(facts: PodFacts, node: NodeFacts) -> float:
    """Plain code: it is asked of every node that changes."""
    allocatable, used, usage = node.allocatable, node.used, facts.usage
    cpu, memory = allocatable.get("cpu", 0), allocatable.get("memory", 0)
    total = shares = 0
    if cpu:
        shares += 1
        total += max(0, cpu - used["cpu"] - usage.get("cpu", 0)) * HIGHEST // cpu
    if memory:
        shares += 1
        total += max(0, memory - used["memory"] - usage.get("memory", 0)) * HIGHEST // memory
    return float(total // shares) if shares else 0.0


PLUGIN = Plugin("NodeResourcesFit", refuse=refuse, score=score)
