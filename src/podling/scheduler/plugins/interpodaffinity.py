"""InterPodAffinity: Pods that want others near or far, and others that want this one far.

A topology is a label key of nodes; two nodes are together in it where they carry the same value. What is required
becomes a demand, what is preferred a liking; a placed Pod's wishes count for the newcomer too. (The documentation's
"Inter-pod affinity and anti-affinity".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podling.scheduler.census import Group, membership
from podling.scheduler.neighbours import HARD_AFFINITY_WEIGHT, Wish, group_of_wish
from podling.scheduler.plugin import HIGHEST, Cause, Demand, Liking, Plugin, Refusal, Survey
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

NOT_NEAR = Refusal(("node(s) didn't match pod affinity rules",), helpless=True)
NOT_FAR = Refusal(("node(s) didn't match pod anti-affinity rules",))
UNWELCOME = Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
NOBODY: Mapping[str, int] = {}


def survey(facts: PodFacts, snapshot: Snapshot) -> Survey | None:
    if not facts.wishes and not snapshot.wishes:
        return None
    demands: list[Demand] = _near(facts, snapshot)
    points: dict[str, dict[str, float]] = {}
    for wish in facts.wishes:
        topology = wish.term.topology_key
        if wish.kind == "far" and (places := _places(wish, snapshot)):
            demands.append(Demand(topology, NOT_FAR, forbidden=places))
        elif wish.kind in ("like", "dislike"):
            _like(points, topology, _places(wish, snapshot), wish.weight if wish.kind == "like" else -wish.weight)
    for wish, places in snapshot.wished(facts.pod):
        topology = wish.term.topology_key
        if wish.kind == "far":
            demands.append(Demand(topology, UNWELCOME, forbidden=places))
        else:
            weight = HARD_AFFINITY_WEIGHT if wish.kind == "near" else wish.weight
            _like(points, topology, places, -weight if wish.kind == "dislike" else weight)
    likings = tuple(Liking(key, values) for key, values in points.items() if any(values.values()))
    return Survey(tuple(demands), likings) if demands or likings else None


def rescale(raw: Sequence[float]) -> Sequence[float]:
    lowest = min(raw, default=0.0)
    span = max(raw, default=0.0) - lowest
    return [float(int(HIGHEST * (each - lowest) / span)) if span else 0.0 for each in raw]


def _near(facts: PodFacts, snapshot: Snapshot) -> list[Demand]:
    """Where nobody of the group stands anywhere, the first of the group itself may go where the labels are."""
    wishes = [wish for wish in facts.wishes if wish.kind == "near"]
    if not wishes:
        return []
    groups = [group_of_wish(wish, snapshot.namespaces) for wish in wishes]
    places = [_standing(group, wish, snapshot) for group, wish in zip(groups, wishes, strict=True)]
    first = not any(places) and all(group is not None and membership(group)(facts.pod) for group in groups)
    return [
        Demand(wish.term.topology_key, NOT_NEAR, missing=NOT_NEAR, allowed=None if first else found)
        for wish, found in zip(wishes, places, strict=True)
    ]


def _places(wish: Wish, snapshot: Snapshot) -> Mapping[str, int]:
    return _standing(group_of_wish(wish, snapshot.namespaces), wish, snapshot)


def _standing(group: Group | None, wish: Wish, snapshot: Snapshot) -> Mapping[str, int]:
    if group is None:
        return NOBODY
    return snapshot.standing(group, snapshot.terrain("all", wish.term.topology_key, _every))


def _every(node: NodeFacts) -> bool:
    return True


def _like(points: dict[str, dict[str, float]], topology: str, places: Mapping[str, int], weight: int) -> None:
    values = points.setdefault(topology, {})
    for value, count in places.items():
        values[value] = values.get(value, 0.0) + weight * count


PLUGIN = Plugin(
    "InterPodAffinity",
    survey=survey,
    rescale=rescale,
    weight=2,
    heeds=Cause.NODE | Cause.POD_CAME | Cause.POD_LEFT | Cause.NAMESPACE,
)
