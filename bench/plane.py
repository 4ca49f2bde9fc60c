"""A control plane in this process, on a store of its own: for what has to be measured between the parts.

The API server on SQLite, with controllers, scheduler and simulated nodes beside it as they are wanted.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from podling.api.catalog import Catalog
from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.informer import Informers
from podling.client.resources import PODS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.cluster.child import QUIET_COLLECTIONS
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SystemEnv
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.reconcile.view import Settings
from podling.scheduler.scheduler import Scheduler
from podling.simulatednodes.simulatednodes import SimulatedNodes
from podling.storage.sqlite import SqliteStorage
from podling.supervise import Supervisor, for_each

MASTERS = ("system:masters",)


class Plane:
    """`rest` is an administrator's. The parts are started when asked for and live as long as the plane."""

    def __init__(self, server: ApiServer, env: SystemEnv, tasks: Supervisor, catalog: Catalog) -> None:
        self._server, self.env, self._tasks, self._catalog = server, env, tasks, catalog
        self.rest = Rest(server.transport("kubernetes-admin", MASTERS))
        self.informers = Informers(server.transport("system:bench", MASTERS), env)
        tasks.start("informers", self.informers.run())

    def controllers(self) -> None:
        settings = Settings(root_ca="PEM", started=self.env.now())
        transport = self._server.transport("system:kube-controller-manager", MASTERS)
        manager = ControllerManager(transport, self.env, settings, served_by(self._catalog))
        self.informers = manager.informers
        self._tasks.start("manager", manager.run())

    def scheduler(self) -> None:
        transport = self._server.transport("system:kube-scheduler", MASTERS)
        self._tasks.start("scheduler", Scheduler(transport, self.env, self.informers).run())

    def simulated_nodes(self) -> None:
        transport = self._server.transport("system:podling:simulated-nodes", MASTERS)
        self._tasks.start("simulated nodes", SimulatedNodes(transport, self.env, self.informers).run())

    async def pods(self, bodies: list[dict[str, Any]]) -> None:
        """Create them all."""

        async def create(body: dict[str, Any]) -> None:
            await self.rest.create(PODS, "default", body)

        await for_each(bodies, create)


@asynccontextmanager
async def plane(folder: Path) -> AsyncIterator[Plane]:
    env = SystemEnv()
    storage = await SqliteStorage.open(str(folder / "store.sqlite"), env)
    catalog = Catalog.load("current")
    config = Config(token_key=new_signing_key())
    server = ApiServer(config, storage, env, RefusingDialer("a bench has no nodes"), catalog=catalog)
    await server.start()
    try:
        async with Supervisor() as tasks:
            tasks.start("storage", storage.run())
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            made = Plane(server, env, tasks, catalog)
            await made.rest.create(SERVICEACCOUNTS, "default", account)
            _settle()
            yield made
    finally:
        await server.stop()
        await storage.close()


def _settle() -> None:
    """As the server's process does."""
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*QUIET_COLLECTIONS)


class Holding:
    """The longest that one callback held the loop, in CPU seconds of its thread: what others take of the machine does
    not count. For asyncio's own loop; `with` it around what runs.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.turn = 0.0
        """The longest turn of the loop: all that was ready at once."""
        self._began = time.thread_time()

    def __enter__(self) -> Self:
        self._run = run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            before = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - before)

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[method-assign]

    async def watch(self) -> None:
        """Until cancelled: turns of the loop."""
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.turn, self._began = max(self.turn, now - self._began), now
            await asyncio.sleep(0.001)
            self._began = time.thread_time()

    def reset(self) -> None:
        self.longest = self.turn = 0.0
