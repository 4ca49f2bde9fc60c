"""Making room: which less important Pods have to go so that a Pod that fits nowhere can run. Pure.

Only nodes that removing Pods could help are looked at. On each, all less important Pods are thought away; if the Pod
then fits, they are let back one by one, the most important first, and who cannot come back is a victim. The node whose
victims matter least is chosen (the documentation's "Pod Priority and Preemption").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from podling.reconcile import pods
from podling.scheduler.snapshot import PodFacts, Snapshot

CANDIDATES = 100
"""Nodes looked at, at most."""

Fits = Callable[[PodFacts, Snapshot, str], bool]


class Preemption(msgspec.Struct, frozen=True):
    """`victims` have to go from `node`."""

    node: str
    victims: tuple[PodFacts, ...]


def preempt(facts: PodFacts, snapshot: Snapshot, nodes: Iterable[str], fits: Fits) -> Preemption | None:
    """`nodes` are those that might be helped; `fits` says whether the Pod could run on one as things are thought."""
    found: list[Preemption] = []
    for name in nodes:
        if len(found) >= CANDIDATES:
            break
        victims = _victims(facts, snapshot, name, fits)
        if victims:
            found.append(Preemption(name, victims))
    return min(found, key=_cost, default=None)


def waits_for_room(facts: PodFacts, snapshot: Snapshot) -> bool:
    """Room is being made for it already: on its nominated node less important Pods are going."""
    node = snapshot.nodes.get(snapshot.nomination(facts.key) or "")
    return node is not None and any(
        each.pod.metadata.deletion_timestamp is not None and each.priority < facts.priority
        for each in node.pods.values()
    )


def _victims(facts: PodFacts, snapshot: Snapshot, name: str, fits: Fits) -> tuple[PodFacts, ...]:
    lesser = [each for each in snapshot.nodes[name].pods.values() if each.priority < facts.priority]
    if not lesser:
        return ()
    gone = {each.key for each in lesser}
    if not fits(facts, snapshot.without(name, gone), name):
        return ()
    for each in sorted(lesser, key=_importance):
        if fits(facts, snapshot.without(name, gone - {each.key}), name):
            gone.discard(each.key)
    return tuple(each for each in sorted(lesser, key=_importance) if each.key in gone)


def _importance(facts: PodFacts) -> tuple[float, float, str]:
    """The most important first: by priority, then who runs longest."""
    return (-facts.priority, _started(facts), facts.key)


def _started(facts: PodFacts) -> float:
    return pods.seconds(facts.pod.status.start_time, float("inf"))


def _cost(preemption: Preemption) -> tuple[float, ...]:
    """What upstream compares, in its order; of nodes that cost the same, the first."""
    priorities = [each.priority for each in preemption.victims]
    highest = max(priorities)
    oldest = min(_started(each) for each in preemption.victims if each.priority == highest)
    return (highest, sum(priorities), len(priorities), -oldest)
