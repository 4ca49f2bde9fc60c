"""Which of too many Pods go first: the order in which upstream's ActivePodsWithRanks deletes.

Documented at "ReplicaSet: Scaling down": pending before running, unready before ready, the lowest deletion cost, the
one whose node holds most replicas, the youngest (ages compared by orders of magnitude).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.reconcile import pods
from podling.reconcile.action import Group
from podling.reconcile.batches import SLICE, evenly

PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
COST = "controller.kubernetes.io/pod-deletion-cost"


def rank_for_deletion(active: Sequence[Object], related: Iterable[Object], now: float) -> list[Object]:
    """`active` in the order of deletion; `related` are the Pods that count as neighbours on a node."""
    on_node = Counter(pod.view.spec.node_name for pod in related if pod.view.spec.node_name)
    return sorted(active, key=lambda found: _rank(found, on_node, now))


def first_to_go(
    active: Sequence[Object], related: Sequence[Object], now: float, count: int
) -> Generator[Group, Any, list[Object]]:
    """The first `count` of that order, of ten thousand Pods, with pauses."""
    on_node: Counter[str] = Counter()
    for some in evenly(related, 4 * SLICE):
        on_node.update(pod.view.spec.node_name for pod in some if pod.view.spec.node_name)
        yield []
    best: list[tuple[tuple[object, ...], Object]] = []
    for some in evenly(active, SLICE):
        best = sorted([*best, *((_rank(each, on_node, now), each) for each in some)], key=_by_rank)[:count]
        yield []
    return [each for _, each in best]


def _by_rank(ranked: tuple[tuple[object, ...], Object]) -> Any:
    return ranked[0]


def _rank(found: Object, on_node: Counter[str], now: float) -> tuple[Any, ...]:
    pod: Pod = found.view
    ready = pods.is_ready(pod)
    return (
        bool(pod.spec.node_name),
        PHASES.get(pod.status.phase, 0),
        ready,
        _cost(pod),
        -on_node[pod.spec.node_name] if pod.spec.node_name else 0,
        _magnitude(_ready_since(pod, now) if ready else now, now),
        -pods.restarts(pod),
        _magnitude(pods.seconds(pod.metadata.creation_timestamp, now), now),
        found.head.uid,
    )


def _ready_since(pod: Pod, now: float) -> float:
    ready = pods.condition(pod, "Ready")
    return now if ready is None else pods.seconds(ready.last_transition_time, now)


def _magnitude(since: float, now: float) -> int:
    """Ages of the same order of magnitude are equal: a moment's difference should not decide."""
    return int(math.log2(max(now - since, 1.0)))


def _cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(COST, "0"))
    except ValueError:
        return 0
