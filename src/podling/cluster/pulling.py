"""Images come over the machine's own network, for none leads out of a node.

Each pull has a thread of its own that enters the host's network namespace, with a loop of its own in it, and ends:
whatever the pull connects to or looks up, it does so as a program of the machine.
"""

from __future__ import annotations

import asyncio

from podling.env import Env
from podling.network.namespaces import inside
from podling.runtime.images.names import Reference
from podling.runtime.images.service import Puller
from podling.runtime.images.store import Entry


class OutsidePuller:
    """`puller`, run in the network namespace behind the descriptor `network`."""

    def __init__(self, puller: Puller, network: int, env: Env) -> None:
        self._puller, self._network, self._env = puller, network, env

    async def pull(self, reference: Reference, logins: tuple[str, ...] = ()) -> Entry:
        async def pulled() -> Entry:
            return await self._puller.pull(reference, logins)

        return await self._env.in_thread(inside, self._network, lambda: asyncio.run(pulled()))
