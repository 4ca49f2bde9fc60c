"""PodTopologySpread: Pods of a group are spread evenly over zones, hosts or whatever a label tells.

For each constraint the matching Pods are counted per value of the topology's label, over nodes the Pod could run on.
With DoNotSchedule a node where the difference to the emptiest domain would exceed maxSkew is refused, with
ScheduleAnyway it is only less liked. A Pod of a workload that says nothing is spread softly over hosts and zones.
(The documentation's "Pod Topology Spread Constraints".)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.scheduling import TopologySpreadConstraint
from podling.api.kinds.meta import LabelSelector
from podling.reconcile.tolerating import tolerated
from podling.scheduler.census import Group, Terrain, group_of, membership
from podling.scheduler.plugin import HIGHEST, Cause, Demand, Liking, Plugin, Refusal, Survey
from podling.scheduler.plugins import nodeaffinity
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

SKEWED = "node(s) didn't match pod topology spread constraints"
TOO_MANY = Refusal((SKEWED,))
MISSING = Refusal((f"{SKEWED} (missing required label)",), helpless=True)
DEFAULTS = (
    TopologySpreadConstraint(max_skew=3, topology_key="kubernetes.io/hostname", when_unsatisfiable="ScheduleAnyway"),
    TopologySpreadConstraint(
        max_skew=5, topology_key="topology.kubernetes.io/zone", when_unsatisfiable="ScheduleAnyway"
    ),
)


def survey(facts: PodFacts, snapshot: Snapshot) -> Survey | None:
    constraints = facts.pod.spec.topology_spread_constraints
    if not constraints:
        return _by_default(facts, snapshot)
    hard = [each for each in constraints if each.when_unsatisfiable == "DoNotSchedule"]
    soft = [each for each in constraints if each.when_unsatisfiable != "DoNotSchedule"]
    demands = tuple(_demand(each, hard, facts, snapshot) for each in hard)
    likings = tuple(_liking(each, _group(each, facts.pod), soft, facts, snapshot) for each in soft)
    return Survey(demands, likings, strict=True)


def rescale(raw: Sequence[float]) -> Sequence[float]:
    """Raw sums count who is there already: fewer is better. There are few different ones."""
    most, least = max(raw, default=0.0), min(raw, default=0.0)
    if not most:
        return [float(HIGHEST)] * len(raw)
    scaled = {each: float(int(HIGHEST * (most + least - each) / most)) for each in set(raw)}
    return [scaled[each] for each in raw]


def _by_default(facts: PodFacts, snapshot: Snapshot) -> Survey | None:
    selector = snapshot.selector_of(facts.pod)
    if selector is None:
        return None
    group = group_of(selector, frozenset((facts.pod.metadata.namespace,)), alive=True)
    return Survey(likings=tuple(_liking(each, group, (), facts, snapshot) for each in DEFAULTS))


def _demand(
    constraint: TopologySpreadConstraint,
    hard: Sequence[TopologySpreadConstraint],
    facts: PodFacts,
    snapshot: Snapshot,
) -> Demand:
    group = _group(constraint, facts.pod)
    terrain = _terrain(constraint, hard, facts.pod, snapshot)
    counts: Mapping[str, int] = snapshot.standing(group, terrain) if group is not None else {}
    itself = int(group is not None and membership(group)(facts.pod))
    limit = constraint.max_skew - itself + _fewest(constraint, counts, terrain)
    forbidden = [value for value, count in counts.items() if count > limit]
    allowed = None if limit >= 0 else ()
    return Demand(constraint.topology_key, TOO_MANY, MISSING, allowed, frozenset(forbidden))


def _fewest(constraint: TopologySpreadConstraint, counts: Mapping[str, int], terrain: Terrain) -> int:
    """Of the emptiest domain; with fewer domains than wanted there is always an empty one."""
    if constraint.min_domains is not None and len(terrain.domains) < constraint.min_domains:
        return 0
    return min(counts.values(), default=0) if len(counts) >= len(terrain.domains) else 0


def _liking(
    constraint: TopologySpreadConstraint,
    group: Group | None,
    soft: Sequence[TopologySpreadConstraint],
    facts: PodFacts,
    snapshot: Snapshot,
) -> Liking:
    """Topologies of few domains weigh less: one Pod more is a larger share there."""
    terrain = _terrain(constraint, soft, facts.pod, snapshot)
    counts: Mapping[str, int] = snapshot.standing(group, terrain) if group is not None else {}
    weight = math.log(len(terrain.domains) + 2)
    return Liking(constraint.topology_key, counts, weight, everywhere=constraint.max_skew - 1.0)


def _terrain(
    constraint: TopologySpreadConstraint, together: Sequence[TopologySpreadConstraint], pod: Pod, snapshot: Snapshot
) -> Terrain:
    """The nodes that count: with all labels of the constraints, and such as the Pod could use."""
    keys = tuple(each.topology_key for each in together)
    by_affinity = constraint.node_affinity_policy != "Ignore" and nodeaffinity.wants(pod.spec)
    by_taints = constraint.node_taints_policy == "Honor"
    spec = pod.spec
    identity: tuple[object, ...] = (keys,)
    if by_affinity:
        node_affinity = spec.affinity.node_affinity if spec.affinity is not None else None
        identity += (msgspec.json.encode((spec.node_selector, node_affinity), order="sorted"),)
    if by_taints:
        identity += (msgspec.json.encode(spec.tolerations),)
    return snapshot.terrain(identity, constraint.topology_key, _counting(keys, pod, by_affinity, by_taints))


def _counting(keys: Sequence[str], pod: Pod, by_affinity: bool, by_taints: bool) -> Callable[[NodeFacts], bool]:
    def counts(node: NodeFacts) -> bool:
        if not all(key in node.labels for key in keys):
            return False
        if by_affinity and nodeaffinity.refuse(pod.spec, node) is not None:
            return False
        return not (by_taints and _is_tainted(pod, node))

    return counts


def _is_tainted(pod: Pod, node: NodeFacts) -> bool:
    hard = (taint for taint in node.node.spec.taints if taint.effect != "PreferNoSchedule")
    return any(not tolerated(taint, pod.spec.tolerations) for taint in hard)


def _group(constraint: TopologySpreadConstraint, pod: Pod) -> Group | None:
    if constraint.label_selector is None:
        return None
    selector = constraint.label_selector
    labels = {key: pod.metadata.labels[key] for key in constraint.match_label_keys if key in pod.metadata.labels}
    if labels:
        selector = LabelSelector(selector.match_labels | labels, selector.match_expressions)
    return group_of(selector, frozenset((pod.metadata.namespace,)), alive=True)


PLUGIN = Plugin(
    "PodTopologySpread",
    survey=survey,
    rescale=rescale,
    weight=2,
    heeds=Cause.NODE | Cause.POD_CAME | Cause.POD_LEFT,
)
