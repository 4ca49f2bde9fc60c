"""NodeResourcesBalancedAllocation: a node whose CPU and memory are used alike is liked better."""

from __future__ import annotations

from podling.scheduler.plugin import HIGHEST, Plugin
from podling.scheduler.snapshot import NodeFacts, PodFacts


def prepare(facts: PodFacts) -> PodFacts | None:
    """A Pod that asks for nothing unbalances nothing."""
    return facts if any(facts.requests.values()) else None


def score(facts: PodFacts, node: NodeFacts) -> float:
    shares = [
        min(1.0, (node.requested[name] + facts.requests.get(name, 0)) / capacity)
        for name in ("cpu", "memory")
        if (capacity := node.allocatable.get(name, 0))
    ]
    if len(shares) < 2:
        return float(HIGHEST)
    return float(int((1 - abs(shares[0] - shares[1]) / 2) * HIGHEST))


PLUGIN = Plugin("NodeResourcesBalancedAllocation", prepare, score=score)
