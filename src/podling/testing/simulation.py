"""The whole control plane in one process on simulated time, replayable from one seed.

Memory store, the real API server, all controllers, the scheduler and nodes on the simulated runtime; every component
speaks through a transport of its own that may lose watches, answers and requests. The action log holds every write
that anybody made, with its time and its outcome: the same seed gives the same log, byte for byte (DESIGN 20).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from podling.api.catalog import Catalog
from podling.api.errors import ServiceUnavailable
from podling.api.objects import Event
from podling.api.schema import Schemas, load
from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.rest import Rest
from podling.client.transport import Answer, Listing, Resource, Transport, Verb
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SimulatedEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.reconcile.view import Settings
from podling.runtime.fake import Course, FakeRuntime
from podling.scheduler.scheduler import Scheduler
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyStorage, FaultyTransport, RecordingTransport
from podling.testing.hollow import HollowNode

ROOT_CA = Path(__file__).parent / "simulated-ca.pem"
"""A certificate whose key nobody has: what is published of it is the same in every run."""
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
        courses: Mapping[str, Course] | None = None,
        folder: Path | None = None,
        catalog: Catalog | None = None,
        schemas: Schemas | None = None,
    ) -> None:
        """With a `folder` the nodes are real kubelets, whose files lie there; without one they are hollow. `catalog`
        and `schemas` may be shared by simulations that define no resources of their own."""
        self.env = SimulatedEnv(seed)
        self.log: list[str] = []
        self._faults, self._node_count = faults or Faults(), nodes
        self._course, self._courses = course, dict(courses or {})
        self._folder = folder
        self._schemas = schemas or load()
        self._catalog = catalog or Catalog.load("current", schemas=self._schemas)
        self._faulty: list[FaultyTransport] = []
        self._components: dict[str, asyncio.Task[None]] = {}
        self._speaking: dict[str, FaultyTransport] = {}
        self._crashing: dict[str, asyncio.Future[bool]] = {}
        self.runtimes: dict[str, FakeRuntime] = {}
        """What runs on each node, whether its kubelet is there or not."""
        self.on_start: list[Callable[[ApiServer], None]] = []
        """Told of each API server that starts, before anybody asks it anything."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Simulation]:
        """The loop has to be a virtual one (see `virtualtime.run`), or an hour takes an hour."""
        self._storage = FaultyStorage(self.env)
        self._config = Config(token_key=new_signing_key())
        await self._start_server()
        self._storage.refusals = self._faults.storage
        try:
            self.rest = Rest(self._transport("kubernetes-admin", Faults(), groups=("system:masters",)))
            async with Supervisor() as self._tasks:
                self.start_controllers()
                self.start_scheduler()
                for number in range(1, self._node_count + 1):
                    self.start_node(f"node-{number}")
                yield self
        finally:
            await self.server.stop()
            await self._storage.close()

    def calm(self) -> None:
        """From now on nothing fails."""
        self._storage.refusals = 0.0
        self._faults = Faults()
        for transport in self._faulty:
            transport.faults = self._faults

    def silence(self, component: str) -> None:
        """A component ends, between two requests or in the midst of one: a node's kubelet (what it ran still runs, and
        nobody tells), `controllers` or `scheduler`."""
        self._components.pop(component).cancel()
        self._settle(component, crashed=False)

    def lose(self, node: str) -> None:
        """The machine is gone with all that ran on it; one that starts under its name has nothing."""
        self.silence(node)
        del self.runtimes[node]

    def has(self, component: str) -> bool:
        return component in self._components

    def start(self, component: str) -> None:
        """One that was silenced or has crashed."""
        if component == "controllers":
            self.start_controllers()
        elif component == "scheduler":
            self.start_scheduler()
        else:
            self.start_node(component)

    def crash(self, component: str, writes: int) -> asyncio.Future[bool]:
        """It ends right after so many more writes and one, before it hears of that one; what else is under way in that
        moment may arrive. True when it has crashed, False when it was silenced or spared before, or is to crash at
        another moment."""
        self._settle(component, crashed=False)
        crashed = self._crashing[component] = asyncio.get_running_loop().create_future()

        def crash() -> None:
            self._settle(component, crashed=True)
            self.silence(component)

        self._speaking[component].crash_after(writes, crash)
        return crashed

    def spare(self) -> None:
        """Whoever was to crash does not."""
        for transport in self._speaking.values():
            transport.spare()
        for component in (*self._crashing,):
            self._settle(component, crashed=False)

    def _settle(self, component: str, *, crashed: bool) -> None:
        if (waiting := self._crashing.pop(component, None)) is not None and not waiting.done():
            waiting.set_result(crashed)

    def start_controllers(self) -> None:
        """All of them, knowing nothing of those before."""
        settings = Settings(root_ca=ROOT_CA.read_text(), started=self.env.now())
        transport = self._speaking["controllers"] = self._transport("system:kube-controller-manager", self._faults)
        self.manager = ControllerManager(transport, self.env, settings, served_by(self._catalog))
        self._components["controllers"] = self._tasks.start("controllers", self.manager.run())

    def start_scheduler(self) -> None:
        transport = self._speaking["scheduler"] = self._transport("system:kube-scheduler", self._faults)
        self.scheduler = Scheduler(transport, self.env)
        self._components["scheduler"] = self._tasks.start("scheduler", self.scheduler.run())

    def start_node(self, name: str) -> None:
        """The node's kubelet; a runtime that was there before still has what it had."""
        number = int(name.rpartition("-")[2])
        if name not in self.runtimes:
            self.runtimes[name] = FakeRuntime(
                self.env, pods=f"10.244.{number}.0/24", courses=self._courses, default=self._course
            )
        self._components[name] = self._tasks.start(name, self._node(name, number).run())

    def sandboxes(self) -> dict[str, list[str]]:
        """The nodes on which each Pod has something running, by namespace and name."""
        found: dict[str, list[str]] = {}
        for node, runtime in self.runtimes.items():
            for pod in runtime.running():
                found.setdefault(pod, []).append(node)
        return found

    async def restart_server(self, seconds: float) -> None:
        """The API server is gone for a while and comes back with nothing but its store."""
        await self.server.stop()
        await self.env.sleep(seconds)
        await self._start_server()

    async def _start_server(self) -> None:
        refusals, self._storage.refusals = self._storage.refusals, 0.0
        dialer = RefusingDialer("simulated")
        self.server = ApiServer(
            self._config, self._storage, self.env, dialer, catalog=self._catalog, schemas=self._schemas
        )
        await self.server.start()
        self._storage.refusals = refusals
        for watch in self.on_start:
            watch(self.server)

    def _node(self, name: str, number: int) -> HollowNode | Kubelet:
        runtime = self.runtimes[name]
        transport = self._transport(f"system:node:{name}", self._faults, groups=("system:nodes",))
        self._speaking[name] = transport
        if self._folder is None:
            return HollowNode(name, transport, runtime, self.env, capacity=CAPACITY)
        config = KubeletConfig(name, self._folder / name, f"172.31.0.{number + 1}", capacity=CAPACITY)
        return Kubelet(config, transport, runtime, self.env)

    def _transport(self, user: str, faults: Faults, groups: tuple[str, ...] = ()) -> FaultyTransport:
        present = PresentServer(lambda: self.server, user, groups)
        recording = RecordingTransport(present, self.env, user, self.log.append)
        faulty = FaultyTransport(recording, self.env, faults, recording.tell)
        self._faulty.append(faulty)
        return faulty


class PresentServer:
    """A `Transport` to whichever API server there is now; to one that is stopping it is unavailable."""

    def __init__(self, server: Callable[[], ApiServer], user: str, groups: tuple[str, ...]) -> None:
        self._server, self._user, self._groups = server, user, groups

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        return await self._transport.request(verb, path, body=body, query=query, content_type=content_type)

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        return await self._transport.list(
            resource, namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )

    def watch(
        self,
        resource: Resource,
        *,
        since: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Event]]]:
        return self._transport.watch(
            resource,
            since=since,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
        )

    @property
    def _transport(self) -> Transport:
        server = self._server()
        if not server.ready:
            raise ServiceUnavailable("the server is not there")
        return server.transport(self._user, self._groups)
