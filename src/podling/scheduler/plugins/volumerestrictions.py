"""VolumeRestrictions: a claim that only one Pod may use is not given to a second."""

from __future__ import annotations

from podling.scheduler.plugin import Cause, Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

ONE_POD = "ReadWriteOncePod"
REFUSAL = Refusal(("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",))


def personal(facts: PodFacts, snapshot: Snapshot) -> bool | None:
    """True where a claim of its is in use by another; None where it is not."""
    for name in facts.claims:
        key = f"{facts.pod.metadata.namespace}/{name}"
        claim = snapshot.volumes.claims.get(key)
        if claim is not None and ONE_POD in claim.access_modes and snapshot.users(key):
            return True
    return None


def refuse(in_use: bool, node: NodeFacts) -> Refusal | None:
    return REFUSAL if in_use else None


PLUGIN = Plugin("VolumeRestrictions", personal=personal, refuse=refuse, heeds=Cause.POD_LEFT | Cause.VOLUME)
