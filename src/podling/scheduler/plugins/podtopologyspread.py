"""PodTopologySpread: Pods of a group are spread evenly over zones, hosts or whatever a label tells.

For each constraint the matching Pods are counted per value of the topology's label, over nodes the Pod could run on.
With DoNotSchedule a node where the difference to the emptiest domain would exceed maxSkew is refused, with
ScheduleAnyway it is only less liked. (The documentation's "Pod Topology Spread Constraints".)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.scheduling import TopologySpreadConstraint
from podling.reconcile.selectors import matches
from podling.reconcile.tolerating import tolerated
from podling.scheduler.plugin import HIGHEST, Plugin, Refusal, Scores
from podling.scheduler.plugins import nodeaffinity
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

SKEWED = "node(s) didn't match pod topology spread constraints"
MISSING = Refusal((f"{SKEWED} (missing required label)",), helpless=True)


class Spread(msgspec.Struct, frozen=True):
    """One constraint and what was counted for it: Pods per value of the label, the fewest of a domain, the newcomer."""

    constraint: TopologySpreadConstraint
    counts: dict[str, int]
    fewest: int
    itself: int


def survey(facts: PodFacts, snapshot: Snapshot) -> list[Spread] | None:
    constraints = facts.pod.spec.topology_spread_constraints
    return [_spread(each, facts, snapshot) for each in constraints] or None


def refuse(spreads: list[Spread], node: NodeFacts) -> Refusal | None:
    for spread in spreads:
        constraint = spread.constraint
        if constraint.when_unsatisfiable != "DoNotSchedule":
            continue
        value = node.node.metadata.labels.get(constraint.topology_key)
        if value is None:
            return MISSING
        if spread.counts.get(value, 0) + spread.itself - spread.fewest > constraint.max_skew:
            return Refusal((SKEWED,))
    return None


def score(spreads: list[Spread], node: NodeFacts) -> float:
    """How many are there already; fewer is better."""
    labels = node.node.metadata.labels
    soft = (each for each in spreads if each.constraint.when_unsatisfiable == "ScheduleAnyway")
    return float(sum(each.counts.get(labels.get(each.constraint.topology_key, ""), 0) for each in soft))


def normalize(scores: Scores) -> Scores:
    most, least = max(scores.values(), default=0.0), min(scores.values(), default=0.0)
    return {name: HIGHEST * (most + least - each) / most if most else float(HIGHEST) for name, each in scores.items()}


def _spread(constraint: TopologySpreadConstraint, facts: PodFacts, snapshot: Snapshot) -> Spread:
    counts: Counter[str] = Counter()
    for node in _eligible(constraint, facts, snapshot.nodes.values()):
        value = node.node.metadata.labels[constraint.topology_key]
        counts[value] += sum(_is_counted(constraint, facts.pod, each.pod) for each in node.pods.values())
    few_domains = constraint.min_domains is not None and len(counts) < constraint.min_domains
    fewest = 0 if few_domains else min(counts.values(), default=0)
    return Spread(constraint, dict(counts), fewest, int(_selects(constraint, facts.pod, facts.pod)))


def _eligible(constraint: TopologySpreadConstraint, facts: PodFacts, nodes: Iterable[NodeFacts]) -> Iterable[NodeFacts]:
    keys = [each.topology_key for each in facts.pod.spec.topology_spread_constraints]
    for node in nodes:
        if not all(key in node.node.metadata.labels for key in keys):
            continue
        if constraint.node_affinity_policy != "Ignore" and nodeaffinity.refuse(facts.pod.spec, node) is not None:
            continue
        if constraint.node_taints_policy == "Honor" and _is_tainted(facts.pod, node):
            continue
        yield node


def _is_tainted(pod: Pod, node: NodeFacts) -> bool:
    hard = (taint for taint in node.node.spec.taints if taint.effect != "PreferNoSchedule")
    return any(not tolerated(taint, pod.spec.tolerations) for taint in hard)


def _is_counted(constraint: TopologySpreadConstraint, newcomer: Pod, other: Pod) -> bool:
    return other.metadata.deletion_timestamp is None and _selects(constraint, newcomer, other)


def _selects(constraint: TopologySpreadConstraint, newcomer: Pod, other: Pod) -> bool:
    if constraint.label_selector is None or newcomer.metadata.namespace != other.metadata.namespace:
        return False
    same = all(
        newcomer.metadata.labels[key] == other.metadata.labels.get(key)
        for key in constraint.match_label_keys
        if key in newcomer.metadata.labels
    )
    return same and matches(constraint.label_selector, other.metadata.labels)


PLUGIN = Plugin("PodTopologySpread", survey=survey, refuse=refuse, score=score, normalize=normalize, weight=2)
