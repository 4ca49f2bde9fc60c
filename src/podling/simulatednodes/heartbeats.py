"""The Leases of all simulated nodes: renewed in turns, a few of them together, and none that says it is silent.

A node is known to be alive for 50 seconds after its Lease was renewed, so every 35 is often enough. First renewals
are spread over that time; those that fall due within a second are written together, in one commit of the store.
"""

from __future__ import annotations

import asyncio
import heapq
import logging

from podling.api.errors import ApiError, NotFound
from podling.client.resources import LEASES
from podling.client.rest import Rest
from podling.client.workqueue import GRAIN
from podling.env import Env, rfc3339_micro
from podling.simulatednodes.pool import LEASE_NAMESPACE, LEASE_SECONDS, new_lease
from podling.supervise import for_each

RENEW_EVERY = 35.0
TOGETHER = 1.0
"""Seconds: what falls due within them is renewed at the same time."""
log = logging.getLogger(__name__)


class Heartbeats:
    """`run` until cancelled; `begin` and `end` as nodes come and go."""

    def __init__(self, rest: Rest, env: Env) -> None:
        self._rest, self._env = rest, env
        self._uids: dict[str, str] = {}
        self._due: list[tuple[float, str]] = []
        self._wake = asyncio.Event()

    def begin(self, name: str, uid: str) -> None:
        """The node lives: renew its Lease from now on."""
        if self._uids.get(name) == uid:
            return
        fresh = name not in self._uids
        self._uids[name] = uid
        if fresh:
            # Its creation counts as a sign of life, so the first one may come at any time of the first turn.
            heapq.heappush(self._due, (self._env.monotonic() + RENEW_EVERY * self._env.chance(), name))
            self._wake.set()

    def end(self, name: str) -> None:
        self._uids.pop(name, None)

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        while True:
            self._wake.clear()
            now = self._env.monotonic()
            if names := self._take(now):
                await for_each(names, self.renew)
                continue
            try:
                async with asyncio.timeout(self._due[0][0] - now if self._due else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, now: float) -> list[str]:
        """All that is due soon, once any of it is due."""
        names: list[str] = []
        if not self._due or self._due[0][0] > now + GRAIN:
            return names
        while self._due and self._due[0][0] <= now + TOGETHER:
            _, name = heapq.heappop(self._due)
            if name in self._uids:
                names.append(name)
                heapq.heappush(self._due, (now + RENEW_EVERY, name))
        return names

    async def renew(self, name: str) -> None:
        """Now, whatever its turn is."""
        uid, now = self._uids.get(name, ""), self._env.now()
        if not uid:
            return
        spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": rfc3339_micro(now)}
        try:
            try:
                await self._rest.patch(LEASES, LEASE_NAMESPACE, name, {"spec": spec})
            except NotFound:
                await self._rest.create(LEASES, LEASE_NAMESPACE, new_lease(name, uid, now))
        except ApiError as error:
            # The next turn comes soon enough.
            log.info("lease of %s: %s", name, error)
