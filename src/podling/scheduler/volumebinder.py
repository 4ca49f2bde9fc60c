"""Before a Pod is bound: its waiting claims get the volumes that were chosen for its node.

A volume is reserved for the claim (`spec.claimRef`), or the claim is annotated with the node so that its class's
provisioner makes one there; the volume controllers do the rest, and the Pod is bound when they have. Whatever goes
wrong gives the choice back, and the Pod is decided about again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from podling.api.errors import ApiError, ServiceUnavailable
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.client.rest import Rest
from podling.scheduler.facts import PodFacts
from podling.scheduler.plugins import volumebinding
from podling.scheduler.plugins.volumebinding import Choice, Wanted
from podling.scheduler.snapshot import Snapshot
from podling.scheduler.volumes import SELECTED_NODE
from podling.scheduler.volumeworld import VolumeWorld
from podling.supervise import for_each

PATIENCE = 600.0
"""Seconds a claim may take to be bound (upstream's bindTimeoutSeconds)."""
BOUND_BY = "pv.kubernetes.io/bound-by-controller"


class NotBound(Exception):
    """The claims did not get their volumes; says why."""


class VolumeBinder:
    def __init__(self, rest: Rest, world: VolumeWorld) -> None:
        self._rest, self._world = rest, world

    def choose(self, facts: PodFacts, snapshot: Snapshot, node: str) -> Sequence[Choice]:
        """What was decided for the Pod's waiting claims; chosen volumes are nobody else's from now on."""
        wanted = volumebinding.personal(facts, snapshot)
        if not isinstance(wanted, Wanted) or not wanted.waiting:
            return ()
        found = volumebinding.choices(wanted, snapshot.nodes[node]) or ()
        for choice in found:
            if choice.volume is not None:
                self._world.volumes.choose(choice.volume.name, choice.claim.key)
        return found

    async def bind(self, choices: Sequence[Choice], node: str) -> None:
        """Returns when all claims are bound. Raises NotBound."""

        async def write(choice: Choice) -> None:
            await self._write(choice, node)

        keys = [choice.claim.key for choice in choices]
        annotated: set[str] = set()
        try:
            await for_each(choices, write)
            async with asyncio.timeout(PATIENCE):
                await self._world.claims.wait_until(lambda: self._settled(choices, annotated))
        except ApiError as error:
            raise NotBound(f"binding volumes: {error.message}") from error
        except TimeoutError as error:
            raise NotBound("binding volumes: context deadline exceeded") from error
        finally:
            for key in keys:
                self._world.volumes.release(key)
        if gone := [key for key in keys if key not in self._world.volumes.claims]:
            raise NotBound(f'binding volumes: claim "{gone[0]}" is gone')
        if lost := [key for key in keys if not self._world.volumes.claims[key].bound]:
            raise NotBound(f'binding volumes: provisioning failed for PVC "{lost[0]}"')

    def _settled(self, choices: Sequence[Choice], annotated: set[str]) -> bool:
        """All bound, or one never will be: its claim is gone, or its provisioner has taken the node back.

        `annotated` grows with the claims that were seen to have the node.
        """
        known = [self._world.volumes.claims.get(choice.claim.key) for choice in choices]
        annotated.update(each.key for each in known if each is not None and each.selected_node)
        lost = any(each is None or (each.key in annotated and not (each.selected_node or each.bound)) for each in known)
        return lost or all(each is not None and each.bound for each in known)

    async def _write(self, choice: Choice, node: str) -> None:
        claim = choice.claim
        namespace, _, name = claim.key.partition("/")
        if choice.volume is None:
            if claim.selected_node != node:
                note = {"metadata": {"uid": claim.uid, "annotations": {SELECTED_NODE: node}}}
                await self._rest.patch(PERSISTENTVOLUMECLAIMS, namespace, name, note)
            return
        if choice.volume.claim_uid:
            return  # it is reserved already
        known = self._world.persistent_volumes.get("", choice.volume.name)
        if known is None:
            raise ServiceUnavailable(f'volume "{choice.volume.name}" is gone')
        reference = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace,
            "name": name,
            "uid": claim.uid,
        }
        # The revision is a precondition: nobody else has taken the volume meanwhile.
        metadata = {"resourceVersion": str(known.revision), "annotations": {BOUND_BY: "yes"}}
        body = {"metadata": metadata, "spec": {"claimRef": reference}}
        await self._rest.patch(PERSISTENTVOLUMES, "", choice.volume.name, body)
