"""DynamicResources: a Pod goes where the devices are that its ResourceClaims have or can get.

Claims that are allocated lead to the nodes from which their devices can be reached. For others devices are looked for
on each node; what was chosen is written by the scheduler's shell before the Pod is bound. A Pod whose claims are not
made yet is not decided about. (Kubernetes documentation, "Dynamic Resource Allocation".)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podling.scheduler import allocation
from podling.scheduler.allocation import Given, Unallocatable
from podling.scheduler.devices import MOST_USERS, Claim, DeviceId, Devices
from podling.scheduler.plugin import Cause, Hopeless, Plugin, Refusal
from podling.scheduler.plugins import nodeaffinity
from podling.scheduler.snapshot import NodeFacts, PodFacts, Snapshot

ELSEWHERE = Refusal(("resourceclaim not available on the node",), helpless=True)
NO_DEVICES = Refusal(("cannot allocate all claims",), helpless=True)


class Wanted(msgspec.Struct, frozen=True):
    """What a Pod's claims come to: those that have devices, and those that need some."""

    allocated: tuple[Claim, ...]
    waiting: tuple[Claim, ...]
    devices: Devices
    taken: frozenset[DeviceId]

    @property
    def claims(self) -> tuple[Claim, ...]:
        return self.allocated + self.waiting


def personal(facts: PodFacts, snapshot: Snapshot) -> Wanted | Hopeless | None:
    if not facts.pod.spec.resource_claims:
        return None
    devices = snapshot.devices
    claims = _claims(facts, devices)
    if isinstance(claims, str):
        return Hopeless(claims, silent=True)
    if why := _in_the_way(facts, claims, devices):
        return Hopeless(why)
    waiting = tuple(each for each in claims if each.allocation is None)
    allocated = tuple(each for each in claims if each.allocation is not None)
    return Wanted(allocated, waiting, devices, frozenset(devices.taken()) if waiting else frozenset())


def _claims(facts: PodFacts, devices: Devices) -> Sequence[Claim] | str:
    """The Pod's claims, or what keeps it from being looked at."""
    pod, found = facts.pod, dict[str, Claim]()
    made = {each.name: each.resource_claim_name for each in pod.status.resource_claim_statuses}
    for each in pod.spec.resource_claims:
        if each.resource_claim_name is None and each.name not in made:
            return f"the claim {each.name} has not been made yet"
        name = each.resource_claim_name or made[each.name]
        if not name:
            continue  # whoever makes claims found that this one is not needed
        claim = devices.claims.get(f"{pod.metadata.namespace}/{name}")
        if claim is None:
            return f'resourceclaim.resource.k8s.io "{name}" not found'
        if claim.deleting:
            return f'resourceclaim "{name}" is being deleted'
        if each.resource_claim_name is None and claim.owner != facts.uid:
            return f"ResourceClaim {claim.key} was not created for Pod {facts.pod.metadata.name} (Pod is not owner)"
        found[claim.key] = claim
    return tuple(found.values())


def _in_the_way(facts: PodFacts, claims: Sequence[Claim], devices: Devices) -> str:
    for claim in claims:
        if claim.allocation is not None:
            if len(claim.reserved) >= MOST_USERS and facts.uid not in claim.reserved:
                return "resourceclaim in use"
            continue
        if claim.key in devices.assumed:
            return f"resource claim {claim.key} is in the process of being allocated"
        try:
            for request in claim.requests:
                tuple(allocation.alternatives(claim, request, devices))
        except Unallocatable as error:
            return str(error)
    return ""


def refuse(wanted: Wanted, node: NodeFacts) -> Refusal | None:
    if any(each.selector is not None and not nodeaffinity.selects(each.selector, node) for each in wanted.allocated):
        return ELSEWHERE
    try:
        return None if choice(wanted, node) is not None else NO_DEVICES
    except Unallocatable as error:
        return Refusal((str(error),), helpless=True)


def choice(wanted: Wanted, node: NodeFacts) -> Sequence[Given] | None:
    """What the waiting claims would get on the node. Raises Unallocatable."""
    return allocation.allocate(wanted.waiting, node, wanted.devices, wanted.taken)


PLUGIN = Plugin("DynamicResources", personal=personal, refuse=refuse, heeds=Cause.NODE | Cause.DEVICE)
