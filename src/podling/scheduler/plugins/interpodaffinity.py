"""InterPodAffinity: Pods that want others near or far, and others that want this one far.

A topology is a label key of nodes; two nodes are together in it where they carry the same value. What is required
refuses, what is preferred scores; a placed Pod's wishes count for the newcomer too. (The documentation's "Inter-pod
affinity and anti-affinity".)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.scheduling import PodAffinityTerm, WeightedPodAffinityTerm
from podling.reconcile.selectors import matches
from podling.scheduler.plugin import HIGHEST, Plugin, Refusal, Scores
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot, minds_others

NOT_NEAR = Refusal(("node(s) didn't match pod affinity rules",), helpless=True)
NOT_FAR = Refusal(("node(s) didn't match pod anti-affinity rules",))
UNWELCOME = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))

Place = tuple[str, str]
"""A topology's key and value."""


class Survey(msgspec.Struct, frozen=True):
    """Places where something matters. `near`: one set of places per required term; None: the first of its group."""

    near: tuple[tuple[str, frozenset[Place]], ...]
    far: frozenset[Place]
    unwelcome: frozenset[Place]
    liked: dict[Place, float]
    first_of_group: bool


def survey(facts: PodFacts, snapshot: Snapshot) -> Survey | None:
    if not minds_others(facts.pod) and not snapshot.minding:
        return None
    near = tuple((term.topology_key, _places(term, facts.pod, snapshot)) for term in _required(facts.pod, near=True))
    alone = not any(places for _, places in near)
    itself = all(_concerns(term, facts.pod, facts.pod, snapshot) for term in _required(facts.pod, near=True))
    found = Survey(
        near=near,
        far=frozenset(
            place for term in _required(facts.pod, near=False) for place in _places(term, facts.pod, snapshot)
        ),
        unwelcome=_unwelcome(facts, snapshot),
        liked=_liked(facts, snapshot),
        first_of_group=alone and itself,
    )
    return found if found.near or found.far or found.unwelcome or found.liked else None


def refuse(found: Survey, node: NodeFacts) -> Refusal | None:
    labels = node.node.metadata.labels
    here = set(labels.items())
    for key, places in found.near:
        if key not in labels or not (found.first_of_group or here & places):
            return NOT_NEAR
    if here & found.far:
        return NOT_FAR
    return UNWELCOME if here & found.unwelcome else None


def score(found: Survey, node: NodeFacts) -> float:
    return sum(found.liked.get(place, 0.0) for place in node.node.metadata.labels.items())


def normalize(scores: Scores) -> Scores:
    lowest = min(scores.values(), default=0.0)
    span = max(scores.values(), default=0.0) - lowest
    return {name: float(int(HIGHEST * (each - lowest) / span)) if span else 0.0 for name, each in scores.items()}


def _required(pod: Pod, *, near: bool) -> tuple[PodAffinityTerm, ...]:
    affinity = pod.spec.affinity
    wanted = affinity and (affinity.pod_affinity if near else affinity.pod_anti_affinity)
    return wanted.required_during_scheduling_ignored_during_execution if wanted else ()


def _preferred(pod: Pod, *, near: bool) -> tuple[WeightedPodAffinityTerm, ...]:
    affinity = pod.spec.affinity
    wanted = affinity and (affinity.pod_affinity if near else affinity.pod_anti_affinity)
    return wanted.preferred_during_scheduling_ignored_during_execution if wanted else ()


def _concerns(term: PodAffinityTerm, owner: Pod, other: Pod, snapshot: Snapshot) -> bool:
    """The term of `owner` speaks about `other`."""
    if term.label_selector is None or not matches(term.label_selector, other.metadata.labels):
        return False
    namespace = other.metadata.namespace
    if namespace in term.namespaces:
        return True
    if term.namespace_selector is not None:
        return matches(term.namespace_selector, snapshot.namespaces.get(namespace, {}))
    return not term.namespaces and namespace == owner.metadata.namespace


def _places(term: PodAffinityTerm, owner: Pod, snapshot: Snapshot) -> frozenset[Place]:
    return frozenset(_count(term, owner, snapshot))


def _count(term: PodAffinityTerm, owner: Pod, snapshot: Snapshot) -> Counter[Place]:
    """How many Pods that the term speaks about stand in each place."""
    found: Counter[Place] = Counter()
    for node in snapshot.nodes.values():
        value = node.node.metadata.labels.get(term.topology_key)
        if value is not None:
            count = sum(_concerns(term, owner, each.pod, snapshot) for each in node.pods.values())
            if count:
                found[term.topology_key, value] += count
    return found


def _unwelcome(facts: PodFacts, snapshot: Snapshot) -> frozenset[Place]:
    return frozenset(
        place
        for placed in snapshot.minding.values()
        for term in _required(placed.pod, near=False)
        if _concerns(term, placed.pod, facts.pod, snapshot)
        for place in _place_of(placed, term, snapshot)
    )


def _liked(facts: PodFacts, snapshot: Snapshot) -> dict[Place, float]:
    liked: Counter[Place] = Counter()
    for near, sign in ((True, 1), (False, -1)):
        for wish in _preferred(facts.pod, near=near):
            for place, count in _count(wish.pod_affinity_term, facts.pod, snapshot).items():
                liked[place] += sign * wish.weight * count
        for placed in snapshot.minding.values():
            for wish in _preferred(placed.pod, near=near):
                if _concerns(wish.pod_affinity_term, placed.pod, facts.pod, snapshot):
                    for place in _place_of(placed, wish.pod_affinity_term, snapshot):
                        liked[place] += sign * wish.weight
    return {place: float(weight) for place, weight in liked.items() if weight}


def _place_of(placed: PodFacts, term: PodAffinityTerm, snapshot: Snapshot) -> Iterable[Place]:
    node = snapshot.nodes.get(snapshot.home(placed.key) or "")
    if node is not None and term.topology_key in node.node.metadata.labels:
        yield (term.topology_key, node.node.metadata.labels[term.topology_key])


PLUGIN = Plugin("InterPodAffinity", survey=survey, refuse=refuse, score=score, normalize=normalize, weight=2)
