"""VolumeZone: a volume that says in which zone or region it is can be used only there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podling.scheduler.plugin import Cause, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

REFUSAL = Refusal(("node(s) had no available volume zone",), helpless=True)
KEYS = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)
SEPARATOR = "__"
"""Between several zones of one volume."""

Places = Sequence[Mapping[str, frozenset[str]]]


def personal(facts: PodFacts, snapshot: Snapshot) -> Places | None:
    found = []
    for name in facts.claims:
        claim = snapshot.volumes.claims.get(f"{facts.pod.metadata.namespace}/{name}")
        volume = snapshot.volumes.volumes.get(claim.volume) if claim is not None and claim.bound else None
        if volume is not None and (places := _places(volume.labels)):
            found.append(places)
    return found or None


def refuse(places: Places, node: NodeFacts) -> Refusal | None:
    """A node that says nothing of zones takes everything."""
    if not any(key in node.labels for key in KEYS):
        return None
    return None if all(node.labels.get(key) in each[key] for each in places for key in each) else REFUSAL


def _places(labels: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return {key: frozenset(labels[key].split(SEPARATOR)) for key in KEYS if key in labels}


PLUGIN = Plugin("VolumeZone", personal=personal, refuse=refuse, heeds=Cause.NODE | Cause.VOLUME)
