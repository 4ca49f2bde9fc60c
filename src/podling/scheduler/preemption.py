"""Making room: which less important Pods have to go so that a Pod that fits nowhere can run. Pure.

Only nodes that removing Pods could help are looked at. On each, all less important Pods are thought away; if the Pod
then fits, they are let back one by one, those whose disruption budget is used up first and of these the most important,
and who cannot come back is a victim. The node that breaks the fewest budgets is chosen, and of those the one whose
victims matter least (the documentation's "Pod Priority and Preemption").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from podling.reconcile import pods
from podling.scheduler.budgets import Budget, violating
from podling.scheduler.snapshot import PodFacts, Snapshot

CANDIDATES = 100
"""Nodes looked at, at most."""
LIFTED = 2**31
"""Makes every priority positive, so that a sum of them grows with each victim."""

Fits = Callable[[PodFacts, Snapshot, str], bool]


class Preemption(msgspec.Struct, frozen=True):
    """`victims` have to go from `node`; that breaks a budget `broken` times."""

    node: str
    victims: tuple[PodFacts, ...]
    broken: int = 0


def preempt(
    facts: PodFacts, snapshot: Snapshot, nodes: Iterable[str], fits: Fits, budgets: Sequence[Budget] = ()
) -> Preemption | None:
    """`nodes` are those that might be helped; `fits` says whether the Pod could run on one as things are thought."""
    found: list[Preemption] = []
    for name in nodes:
        if len(found) >= CANDIDATES:
            break
        preemption = _on(facts, snapshot, name, fits, budgets)
        if preemption is not None:
            found.append(preemption)
    return min(found, key=_cost, default=None)


def waits_for_room(facts: PodFacts, snapshot: Snapshot) -> bool:
    """Room is being made for it already: on its nominated node less important Pods are going."""
    node = snapshot.nodes.get(snapshot.nomination(facts.key) or "")
    return node is not None and any(
        each.pod.metadata.deletion_timestamp is not None and each.priority < facts.priority
        for each in node.pods.values()
    )


def _on(facts: PodFacts, snapshot: Snapshot, name: str, fits: Fits, budgets: Sequence[Budget]) -> Preemption | None:
    """None where it would not help."""
    lesser = sorted(
        (each for each in snapshot.nodes[name].pods.values() if each.priority < facts.priority), key=_importance
    )
    if not lesser:
        return None
    gone = {each.key for each in lesser}
    if not fits(facts, snapshot.without(name, gone), name):
        return None
    protected = violating(lesser, budgets) if budgets else frozenset()
    for each in sorted(lesser, key=lambda each: each.key not in protected):
        if fits(facts, snapshot.without(name, gone - {each.key}), name):
            gone.discard(each.key)
    victims = tuple(each for each in lesser if each.key in gone)
    return Preemption(name, victims, len(gone & protected)) if victims else None


def _importance(facts: PodFacts) -> tuple[float, float, str]:
    """The most important first: by priority, then who runs longest."""
    return (-facts.priority, _started(facts), facts.key)


def _started(facts: PodFacts) -> float:
    return pods.seconds(facts.pod.status.start_time, float("inf"))


def _cost(preemption: Preemption) -> tuple[float, ...]:
    """What upstream compares, in its order; of nodes that cost the same, the first."""
    priorities = [each.priority + LIFTED for each in preemption.victims]
    highest = max(priorities)
    oldest = min(_started(each) for each in preemption.victims if each.priority + LIFTED == highest)
    return (preemption.broken, highest, sum(priorities), len(priorities), -oldest)
