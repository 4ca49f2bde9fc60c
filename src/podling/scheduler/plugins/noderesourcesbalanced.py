"""NodeResourcesBalancedAllocation: a node whose CPU and memory are used alike is liked better."""

from __future__ import annotations

from podling.scheduler.plugin import HIGHEST, Plugin
from podling.scheduler.snapshot import NodeFacts, PodFacts


def prepare(facts: PodFacts) -> PodFacts | None:
    """A Pod that asks for nothing unbalances nothing."""
    return facts if any(facts.requests.values()) else None


def score(facts: PodFacts, node: NodeFacts) -> float:
    """100 where the shares are alike, 50 where one is full and the other empty."""
    cpu, memory = node.allocatable.get("cpu", 0), node.allocatable.get("memory", 0)
    if not (cpu and memory):
        return float(HIGHEST)
    asked, requested = facts.requests, node.requested
    of_cpu = min(1.0, (requested["cpu"] + asked.get("cpu", 0)) / cpu)
    of_memory = min(1.0, (requested["memory"] + asked.get("memory", 0)) / memory)
    return float(int((1 - abs(of_cpu - of_memory) / 2) * HIGHEST))


PLUGIN = Plugin("NodeResourcesBalancedAllocation", prepare, score=score)
