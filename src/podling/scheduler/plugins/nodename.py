"""NodeName: a Pod that names its node fits no other."""

from __future__ import annotations

from podling.scheduler.plugin import Cause, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts

REFUSAL = Refusal(("node(s) didn't match the requested node name",), helpless=True)


def prepare(facts: PodFacts) -> str | None:
    return facts.pod.spec.node_name or None


def refuse(wanted: str, node: NodeFacts) -> Refusal | None:
    return None if node.name == wanted else REFUSAL


PLUGIN = Plugin("NodeName", prepare, refuse, heeds=Cause.NODE)
