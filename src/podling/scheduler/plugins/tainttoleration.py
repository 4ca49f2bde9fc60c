"""TaintToleration: NoSchedule and NoExecute taints refuse, PreferNoSchedule ones make a node less liked."""

from __future__ import annotations

from podling.reconcile.tolerating import tolerated
from podling.scheduler.plugin import Cause, Plugin, Refusal, Scores, up_to_highest
from podling.scheduler.snapshot import NodeFacts, PodFacts

UNTOLERATED = Refusal(("node(s) had untolerated taint(s)",), helpless=True)


def refuse(facts: PodFacts, node: NodeFacts) -> Refusal | None:
    for taint in node.node.spec.taints:
        if taint.effect != "PreferNoSchedule" and not tolerated(taint, facts.pod.spec.tolerations):
            return UNTOLERATED
    return None


def score(facts: PodFacts, node: NodeFacts) -> float:
    soft = [each for each in facts.pod.spec.tolerations if each.effect in ("", "PreferNoSchedule")]
    taints = [taint for taint in node.node.spec.taints if taint.effect == "PreferNoSchedule"]
    return float(sum(not tolerated(taint, soft) for taint in taints))


def normalize(scores: Scores) -> Scores:
    return up_to_highest(scores, reverse=True)


PLUGIN = Plugin("TaintToleration", refuse=refuse, score=score, normalize=normalize, weight=3, heeds=Cause.NODE)
