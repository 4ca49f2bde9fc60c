"""Which of too many Pods go first: the order in which upstream's ActivePodsWithRanks deletes.

Documented at "ReplicaSet: Scaling down": pending before running, unready before ready, the lowest deletion cost, the
one whose node holds most replicas, the youngest (ages compared by orders of magnitude).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.reconcile import pods

PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
COST = "controller.kubernetes.io/pod-deletion-cost"


def rank_for_deletion(active: Sequence[Object], related: Iterable[Object], now: float) -> list[Object]:
    """`active` in the order of deletion; `related` are the Pods that count as neighbours on a node."""
    on_node = Counter(pod.view.spec.node_name for pod in related if pod.view.spec.node_name)

    def order(found: Object) -> tuple[object, ...]:
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

    return sorted(active, key=order)


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
