"""NodeUnschedulable: a cordoned node takes only Pods that tolerate it."""

from __future__ import annotations

from podling.api.kinds.core.node import Taint
from podling.reconcile.tolerating import tolerated
from podling.scheduler.plugin import Cause, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts

CORDONED = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
REFUSAL = Refusal(("node(s) were unschedulable",), helpless=True)


def refuse(facts: PodFacts, node: NodeFacts) -> Refusal | None:
    if not node.node.spec.unschedulable or tolerated(CORDONED, facts.pod.spec.tolerations):
        return None
    return REFUSAL


PLUGIN = Plugin("NodeUnschedulable", refuse=refuse, heeds=Cause.NODE)
