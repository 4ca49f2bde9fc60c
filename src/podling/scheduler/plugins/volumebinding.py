"""VolumeBinding: a Pod goes where its volumes are, or where they can be found or made.

Claims that are bound lead to the nodes their volumes can be reached from. Claims of a class that waits for its first
consumer are matched with free volumes for each node, or the class has to make one there; what was chosen is written by
the scheduler's shell before the Pod is bound. (The documentation's "Persistent Volumes" and "Storage Classes".)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podling.reconcile.selectors import matches
from podling.scheduler.plugin import Cause, Hopeless, Plugin, Refusal
from podling.scheduler.plugins import nodeaffinity
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot
from podling.scheduler.volumes import Claim, Class, Volume, Volumes

NO_MATCH = Refusal(("node(s) didn't find available persistent volumes to bind",), helpless=True)
ELSEWHERE = Refusal(("node(s) didn't match PersistentVolume's node affinity",), helpless=True)
LOST = Refusal(("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",), helpless=True)
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


class Wanted(msgspec.Struct, frozen=True):
    """What a Pod's claims come to: `bound` volumes (None: one that does not exist), claims that wait for a node."""

    bound: tuple[Volume | None, ...]
    waiting: tuple[tuple[Claim, Class], ...]
    volumes: Volumes


class Choice(msgspec.Struct, frozen=True):
    """For a claim a volume, or the wish that its class makes one for the node (None)."""

    claim: Claim
    volume: Volume | None


def personal(facts: PodFacts, snapshot: Snapshot) -> Wanted | Hopeless | None:
    if not facts.claims:
        return None
    volumes = snapshot.volumes
    bound: list[Volume | None] = []
    waiting: list[tuple[Claim, Class]] = []
    for name in facts.claims:
        claim = volumes.claims.get(f"{facts.pod.metadata.namespace}/{name}")
        if claim is None:
            return Hopeless(_absent(facts, name))
        if claim.deleting:
            return Hopeless(f'persistentvolumeclaim "{name}" is being deleted')
        if claim.owner and claim.owner != facts.uid:
            return Hopeless(f'PVC "{claim.key}" was not created for pod "{facts.pod.metadata.name}"')
        if claim.bound:
            bound.append(volumes.volumes.get(claim.volume))
            continue
        made_by = volumes.classes.get(claim.storage_class)
        if made_by is None or not made_by.waits or claim.volume:
            return Hopeless(UNBOUND)
        waiting.append((claim, made_by))
    return Wanted(tuple(bound), tuple(waiting), volumes)


def refuse(wanted: Wanted, node: NodeFacts) -> Refusal | None:
    if None in wanted.bound:
        return LOST
    if not all(_reachable(volume, node) for volume in wanted.bound if volume is not None):
        return ELSEWHERE
    return None if choices(wanted, node) is not None else NO_MATCH


def choices(wanted: Wanted, node: NodeFacts) -> Sequence[Choice] | None:
    """What each waiting claim would get on the node, the smallest claim first; None where one would get nothing."""
    found: list[Choice] = []
    taken: set[str] = set()
    for claim, made_by in sorted(wanted.waiting, key=lambda each: (each[0].storage, each[0].key)):
        volume = None
        if not claim.selected_node:
            free = (each for each in wanted.volumes.volumes.values() if each.name not in taken)
            volume = _smallest(claim, node, wanted.volumes, free)
        if volume is not None:
            taken.add(volume.name)
        elif not _can_make(claim, made_by, node):
            return None
        found.append(Choice(claim, volume))
    return found


def _absent(facts: PodFacts, name: str) -> str:
    ephemeral = any(
        volume.ephemeral is not None and f"{facts.pod.metadata.name}-{volume.name}" == name
        for volume in facts.pod.spec.volumes
    )
    if ephemeral:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
    return f'persistentvolumeclaim "{name}" not found'


def _smallest(claim: Claim, node: NodeFacts, volumes: Volumes, free: Iterable[Volume]) -> Volume | None:
    """One that is reserved for the claim, else the smallest that fits."""
    fitting = [each for each in free if _fits(claim, each, volumes) and _reachable(each, node)]
    return min(fitting, key=lambda each: (not each.claim, each.storage, each.name), default=None)


def _fits(claim: Claim, volume: Volume, volumes: Volumes) -> bool:
    if not volume.available or volumes.assumed.get(volume.name, claim.key) != claim.key:
        return False
    if volume.claim and (volume.claim != claim.key or volume.claim_uid not in ("", claim.uid)):
        return False
    if claim.selector is not None and not matches(claim.selector, volume.labels):
        return False
    alike = (volume.storage_class, volume.mode) == (claim.storage_class, claim.mode)
    return alike and volume.storage >= claim.storage and claim.access_modes <= volume.access_modes


def _reachable(volume: Volume, node: NodeFacts) -> bool:
    return volume.affinity is None or nodeaffinity.selects(volume.affinity, node)


def _can_make(claim: Claim, made_by: Class, node: NodeFacts) -> bool:
    if made_by.provisioner in ("", NO_PROVISIONER) or claim.selected_node not in ("", node.name):
        return False
    return not made_by.topologies or any(
        all(node.labels.get(key) in values for key, values in term.items()) for term in made_by.topologies
    )


PLUGIN = Plugin("VolumeBinding", personal=personal, refuse=refuse, heeds=Cause.NODE | Cause.VOLUME)
