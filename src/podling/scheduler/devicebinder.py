"""Before a Pod is bound: its ResourceClaims get the devices that were chosen for its node, and are reserved for it.

What was chosen counts as taken until the API shows it, or until it could not be written. A reservation whose Pod was
not bound after all is taken back; claims whose devices are elsewhere, and that nobody else uses, lose them, so that
the Pod may go where there are others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podling.api.errors import ApiError, Conflict
from podling.client.resources import RESOURCECLAIMS
from podling.client.rest import Rest
from podling.env import Env, rfc3339
from podling.scheduler import allocation
from podling.scheduler.allocation import Unallocatable
from podling.scheduler.devices import FINALIZER, MOST_USERS, Claim, DeviceId
from podling.scheduler.deviceworld import DeviceWorld
from podling.scheduler.facts import PodFacts
from podling.scheduler.plugins import dynamicresources, nodeaffinity
from podling.scheduler.plugins.dynamicresources import Wanted
from podling.scheduler.snapshot import Snapshot

ATTEMPTS = 5
UNSURE = 0.1
"""Seconds before a write without an answer is tried again."""
log = logging.getLogger(__name__)


class NotReserved(Exception):
    """The claims could not be had; says why."""


class Reservation(msgspec.Struct, frozen=True):
    """For a claim of the Pod what has to be written; `allocation` None where it has its devices."""

    claim: Claim
    allocation: Mapping[str, Any] | None
    devices: tuple[DeviceId, ...] = ()


class DeviceBinder:
    def __init__(self, rest: Rest, world: DeviceWorld, env: Env) -> None:
        self._rest, self._world, self._env = rest, world, env

    def choose(self, facts: PodFacts, snapshot: Snapshot, node: str) -> Sequence[Reservation]:
        """What was decided for the Pod's claims; chosen devices are nobody else's from now on."""
        wanted = dynamicresources.personal(facts, snapshot)
        if not isinstance(wanted, Wanted):
            return ()
        try:
            given = dynamicresources.choice(wanted, snapshot.nodes[node]) or ()
        except Unallocatable:
            return ()
        devices = self._world.devices
        found = [Reservation(each, None) for each in wanted.allocated if facts.uid not in each.reserved]
        for each in wanted.waiting:
            ids = allocation.ids(given, each)
            devices.assumed[each.key] = ids
            found.append(Reservation(each, allocation.results(each, given, node, devices), ids))
        return found

    async def reserve(self, facts: PodFacts, reservations: Sequence[Reservation]) -> None:
        """Returns when all of them are seen in the API. Raises NotReserved."""
        try:
            for each in reservations:
                revision = await self._write(facts, each)
                await self._world.claims.wait_revision(revision)
        except ApiError as error:
            await self.give_back(facts, reservations)
            raise NotReserved(error.message) from error
        except NotReserved:
            await self.give_back(facts, reservations)
            raise
        finally:
            self.forget(reservations)

    def forget(self, reservations: Sequence[Reservation]) -> None:
        """What was chosen is nobody's again, or the API says whose it is."""
        for each in reservations:
            self._world.devices.assumed.pop(each.claim.key, None)

    async def give_back(self, facts: PodFacts, reservations: Sequence[Reservation]) -> None:
        """The Pod is not bound: its name is taken off again. What cannot be written now is done with the Pod's end."""
        for each in reservations:
            namespace, _, name = each.claim.key.partition("/")
            gone = {"reservedFor": [{"$patch": "delete", "uid": facts.uid}]}
            body = {"metadata": {"uid": each.claim.uid}, "status": gone}
            try:
                await self._rest.patch_status(RESOURCECLAIMS, namespace, name, body, kind="strategic-merge")
            except ApiError as error:
                log.info("claim %s stays reserved for %s: %s", each.claim.key, facts.key, error)

    def superfluous(self, facts: PodFacts, snapshot: Snapshot) -> Claim | None:
        """A claim of a Pod that found no node, which nobody else uses, and which kept it from some of them."""
        wanted = dynamicresources.personal(facts, snapshot)
        if not isinstance(wanted, Wanted):
            return None
        nodes = snapshot.nodes.values()
        for each in wanted.allocated:
            selector = each.selector
            if selector is None or not each.reserved <= {facts.uid}:
                continue
            if not all(nodeaffinity.selects(selector, node) for node in nodes):
                return each
        return None

    async def deallocate(self, claim: Claim) -> None:
        namespace, _, name = claim.key.partition("/")
        try:
            body = (await self._rest.get(RESOURCECLAIMS, namespace, name)).object
            users = {each["uid"] for each in body["status"].get("reservedFor") or ()}
            if body["metadata"]["uid"] != claim.uid or users != claim.reserved:
                return
            body["status"] = {
                key: value for key, value in body["status"].items() if key not in ("allocation", "reservedFor")
            }
            await self._rest.update_status(RESOURCECLAIMS, namespace, name, body)
        except ApiError as error:
            log.info("claim %s stays allocated: %s", claim.key, error)

    async def _write(self, facts: PodFacts, wanted: Reservation) -> int:
        """The revision of the claim that is reserved for the Pod."""
        namespace, _, name = wanted.claim.key.partition("/")
        conflicts = 0
        while True:
            try:
                body = (await self._rest.get(RESOURCECLAIMS, namespace, name)).object
                _check(body, wanted)
                if wanted.allocation is not None and FINALIZER not in (body["metadata"].get("finalizers") or ()):
                    body["metadata"].setdefault("finalizers", []).append(FINALIZER)
                    body = (await self._rest.update(RESOURCECLAIMS, namespace, name, body)).object
                answer = await self._rest.update_status(
                    RESOURCECLAIMS, namespace, name, self._told(body, facts, wanted)
                )
            except ApiError as error:
                # Whether it was written is not known, and devices that are given back too early are given twice.
                if isinstance(error, Conflict):
                    conflicts += 1
                if (error.code < 429) and not (isinstance(error, Conflict) and conflicts < ATTEMPTS):
                    raise
                await self._env.sleep(UNSURE)
                continue
            return answer.revision

    def _told(self, body: dict[str, Any], facts: PodFacts, wanted: Reservation) -> dict[str, Any]:
        status = body.setdefault("status", {})
        if wanted.allocation is not None and status.get("allocation") is None:
            status["allocation"] = {**wanted.allocation, "allocationTimestamp": rfc3339(self._env.now())}
        user = {"resource": "pods", "name": facts.pod.metadata.name, "uid": facts.uid}
        others = [each for each in status.get("reservedFor") or () if each["uid"] != facts.uid]
        if len(others) >= MOST_USERS:
            raise NotReserved(f"claim {wanted.claim.key} is reserved for {MOST_USERS} pods already")
        status["reservedFor"] = [*others, user]
        return body


def _check(body: Mapping[str, Any], wanted: Reservation) -> None:
    """Nothing happened to the claim meanwhile. That it has what it was given is the answer that was lost."""
    meta, held = body["metadata"], (body.get("status") or {}).get("allocation")
    if meta["uid"] != wanted.claim.uid or meta.get("deletionTimestamp"):
        raise NotReserved(f"claim {wanted.claim.key} got deleted in the meantime")
    if wanted.allocation is None:
        if held is None:
            raise NotReserved(f"claim {wanted.claim.key} got deallocated in the meantime")
    elif held is not None and held.get("devices") != wanted.allocation["devices"]:
        raise NotReserved(f"claim {wanted.claim.key} got allocated elsewhere in the meantime")
