"""The whole control plane in one process on simulated time, replayable from one seed.

Memory store, the real API server, all controllers, the scheduler and nodes on the simulated runtime; every component
speaks through a transport of its own that may lose watches, answers and requests. The action log holds every write
that anybody made, with its time and its outcome: the same seed gives the same log, byte for byte (DESIGN 20).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from podling.api.catalog import Catalog
from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import Env, SimulatedEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.reconcile.view import Settings
from podling.runtime.fake import Course, FakeRuntime
from podling.scheduler.scheduler import Scheduler
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyTransport, RecordingTransport
from podling.testing.hollow import HollowNode

CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110"}


class Simulation:
    """A running control plane. `rest` is an administrator's, without faults; `log` the action log so far."""

    def __init__(
        self,
        seed: int,
        *,
        nodes: int = 1,
        faults: Faults | None = None,
        course: Course | None = None,
        folder: Path | None = None,
    ) -> None:
        """With a `folder` the nodes are real kubelets, whose files lie there; without one they are hollow."""
        self.env: Env = SimulatedEnv(seed)
        self.log: list[str] = []
        self._faults, self._course, self._node_count = faults or Faults(), course, nodes
        self._folder = folder
        self._faulty: list[FaultyTransport] = []
        self._nodes: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Simulation]:
        """The loop has to be a virtual one (see `virtualtime.run`), or an hour takes an hour."""
        storage = MemoryStorage()
        catalog = Catalog.load("current")
        self.server = ApiServer(
            Config(token_key=new_signing_key()), storage, self.env, RefusingDialer("simulated"), catalog=catalog
        )
        await self.server.start()
        try:
            self.rest = Rest(self._transport("kubernetes-admin", Faults(), groups=("system:masters",)))
            async with Supervisor() as tasks:
                self._start(tasks, catalog)
                yield self
        finally:
            await self.server.stop()
            await storage.close()

    def calm(self) -> None:
        """From now on nothing fails."""
        for transport in self._faulty:
            transport.faults = Faults()

    def silence(self, node: str) -> None:
        """The node's kubelet is gone from now on; what it ran still runs, and nobody tells."""
        self._nodes[node].cancel()

    def _start(self, tasks: Supervisor, catalog: Catalog) -> None:
        env = self.env
        settings = Settings(root_ca="simulated", started=env.now())
        manager = self._transport("system:kube-controller-manager", self._faults)
        self.manager = ControllerManager(manager, env, settings, served_by(catalog))
        self.scheduler = Scheduler(self._transport("system:kube-scheduler", self._faults), env)
        tasks.start("controllers", self.manager.run())
        tasks.start("scheduler", self.scheduler.run())
        for number in range(1, self._node_count + 1):
            name = f"node-{number}"
            self._nodes[name] = tasks.start(name, self._node(name, number).run())

    def _node(self, name: str, number: int) -> HollowNode | Kubelet:
        runtime = FakeRuntime(self.env, pods=f"10.244.{number}.0/24", default=self._course)
        transport = self._transport(f"system:node:{name}", self._faults, groups=("system:nodes",))
        if self._folder is None:
            return HollowNode(name, transport, runtime, self.env, capacity=CAPACITY)
        config = KubeletConfig(name, self._folder / name, f"172.31.0.{number + 1}", capacity=CAPACITY)
        return Kubelet(config, transport, runtime, self.env)

    def _transport(self, user: str, faults: Faults, groups: tuple[str, ...] = ()) -> Transport:
        recording = RecordingTransport(self.server.transport(user, groups), self.env, user, self.log.append)
        faulty = FaultyTransport(recording, self.env, faults)
        self._faulty.append(faulty)
        return faulty
