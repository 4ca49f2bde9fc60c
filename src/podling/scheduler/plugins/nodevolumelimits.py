"""NodeVolumeLimits: no more volumes of a CSI driver than the node can attach, as its CSINode says."""

from __future__ import annotations

from collections import Counter

import msgspec

from podling.scheduler.plugin import Cause, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot
from podling.scheduler.volumes import Volumes

REFUSAL = Refusal(("node(s) exceed max volume count",))

Attached = frozenset[tuple[str, str]]
"""Drivers and the handles of their volumes."""


class Wanted(msgspec.Struct, frozen=True):
    attached: Attached
    volumes: Volumes


def personal(facts: PodFacts, snapshot: Snapshot) -> Wanted | None:
    attached = _attached(facts, snapshot.volumes) if facts.claims and snapshot.volumes.limits else frozenset()
    return Wanted(attached, snapshot.volumes) if attached else None


def refuse(wanted: Wanted, node: NodeFacts) -> Refusal | None:
    limits = wanted.volumes.limits.get(node.name)
    if not limits:
        return None
    there: set[tuple[str, str]] = set()
    for facts in node.pods.values():
        if facts.claims:
            there |= _attached(facts, wanted.volumes)
    counts = Counter(driver for driver, _ in there | wanted.attached)
    new = {driver for driver, _ in wanted.attached - there}
    return REFUSAL if any(counts[driver] > limits[driver] for driver in new if driver in limits) else None


def _attached(facts: PodFacts, volumes: Volumes) -> Attached:
    """A claim without a volume will have one of its class's driver."""
    found = set()
    for name in facts.claims:
        claim = volumes.claims.get(f"{facts.pod.metadata.namespace}/{name}")
        if claim is None:
            continue
        volume = volumes.volumes.get(claim.volume)
        made_by = volumes.classes.get(claim.storage_class)
        if volume is not None and volume.driver:
            found.add((volume.driver, volume.handle))
        elif volume is None and made_by is not None:
            found.add((made_by.provisioner, claim.key))
    return frozenset(found)


PLUGIN = Plugin("NodeVolumeLimits", personal=personal, refuse=refuse, heeds=Cause.NODE | Cause.POD_LEFT | Cause.VOLUME)
