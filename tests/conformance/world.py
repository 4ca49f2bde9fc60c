"""The cluster of the conformance tests: the real control plane over HTTPS, with nodes whose Pods are simulated.

API server, controllers, scheduler and two real kubelets on the simulated runtime run on one loop in a thread of
their own; tests are plain functions that speak HTTPS with it. What needs a process inside a container is shown by the
tests that are marked `real`, elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.apiserver.streams.table import STREAMS
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import Env, SystemEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import CertificateAuthority, KeyPair, new_signing_key
from podling.reconcile.view import Settings
from podling.runtime.fake import Course, Ending, FakeRuntime
from podling.runtime.interface import ContainerConfig
from podling.scheduler.scheduler import Scheduler
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from tests.conformance.kube import Kube

CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "10Gi"}
QUICK = {"pull": 0.001, "create": 0.001, "start": 0.001, "stop": 0.001}
COURSES = {
    "docker.io/library/succeeds:latest": Course(**QUICK, endings=(Ending(0.02, 0),) * 50),
    "docker.io/library/fails:latest": Course(**QUICK, endings=(Ending(0.02, 1),) * 50),
    "docker.io/library/fails-42:latest": Course(**QUICK, endings=(Ending(0.02, 42),) * 50),
    "docker.io/library/fails-once:latest": Course(**QUICK, endings=(Ending(0.02, 1), Ending(0.02, 0))),
    "docker.io/library/fails-once-then-runs:latest": Course(**QUICK, endings=(Ending(0.02, 1),)),
    "docker.io/library/missing:latest": Course(**QUICK, pull_failure="not found"),
}
"""How the containers of an image end; any other image runs for ever."""


class Runtime(FakeRuntime):
    """One whose containers with SUCCEEDS_AT=<index> end well in the Pod of that index of a Job."""

    async def create_container(self, sandbox: str, config: ContainerConfig) -> None:
        await super().create_container(sandbox, config)
        told = dict(config.env)
        if "SUCCEEDS_AT" in told and told["SUCCEEDS_AT"] == told.get("JOB_COMPLETION_INDEX"):
            self._containers[config.id].course = COURSES["docker.io/library/succeeds:latest"]


class World:
    """Started on construction, usable from any thread until `stop`."""

    def __init__(self, nodes: int = 2, env: Env | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """`env` is where time and chance come from, `loop` what everything runs on."""
        self._env = env or SystemEnv()
        self.authority = CertificateAuthority.create("conformance", SystemEnv().now())
        self._folder = tempfile.TemporaryDirectory(prefix="podling-conformance-")
        self.folder = Path(self._folder.name)
        self._nodes = nodes
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop = loop or asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="conformance world")
        self._thread.start()
        self._ready.wait(30)
        if self._failed is not None:
            raise self._failed
        self._clients: list[httpx.Client] = []

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)
        self._folder.cleanup()

    @property
    def url(self) -> str:
        host, port = self.server.addresses[0]
        return f"https://{host}:{port}"

    def forget_history(self) -> None:
        """Compact the store up to now, as time would."""
        storage = self.server.backend.storage
        asyncio.run_coroutine_threadsafe(storage.compact(storage.revision), self._loop).result(10)

    def user(self, name: str, groups: Sequence[str] = ()) -> Kube:
        """A client with a certificate of that user."""
        return self._kube(self.authority.client(name, list(groups), SystemEnv().now()))

    def bearer(self, token: str) -> Kube:
        return self._kube(token=token)

    def context(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.pair.certificate.decode())
        if pair is not None:
            path = self.folder / "client.pem"
            path.write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(path)
        return context

    def _kube(self, pair: KeyPair | None = None, token: str = "") -> Kube:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=self.url, verify=self.context(pair), headers=headers, timeout=20)
        self._clients.append(client)
        return Kube(client)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._body())
        except BaseException as error:  # noqa: BLE001  told by the thread that waits for us
            self._failed = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _body(self) -> None:
        env, storage = self._env, MemoryStorage()
        self.server = ApiServer(self._config(), storage, env, RefusingDialer("the node is simulated"), streams=STREAMS)
        await self.server.start()
        try:
            async with Supervisor() as tasks:
                await self._start(tasks, env)
                self._ready.set()
                await self._end.wait()
        finally:
            await self.server.stop()
            await storage.close()

    async def _start(self, tasks: Supervisor, env: Env) -> None:
        settings = Settings(root_ca=self.authority.pair.certificate.decode(), started=env.now())
        catalog = self.server.backend.catalog
        manager = ControllerManager(
            self.server.transport("system:kube-controller-manager"), env, settings, served_by(catalog)
        )
        tasks.start("controllers", manager.run())
        tasks.start(
            "scheduler", Scheduler(self.server.transport("system:kube-scheduler"), env, manager.informers).run()
        )
        for number in range(1, self._nodes + 1):
            tasks.start(f"node {number}", self._kubelet(number, env).run())

    def _kubelet(self, number: int, env: Env) -> Kubelet:
        name = f"node-{number}"
        runtime = Runtime(env, pods=f"10.244.{number}.0/24", courses=COURSES, default=Course(**QUICK), sandbox=0.001)
        config = KubeletConfig(name, self.folder / name, f"172.31.0.{number + 1}", capacity=CAPACITY)
        return Kubelet(config, self.server.transport(f"system:node:{name}", ("system:nodes",)), runtime, env)

    def _config(self) -> Config:
        pair = self.authority.serving("podling", ["127.0.0.1", "localhost"], SystemEnv().now())
        return Config(
            tcp=(("127.0.0.1", 0),),
            certificate=pair.certificate,
            key=pair.key,
            ca=self.authority.pair.certificate,
            token_key=new_signing_key(),
            profile="current",
        )


@contextmanager
def living(nodes: int = 2) -> Iterator[World]:
    world = World(nodes)
    try:
        yield world
    finally:
        world.stop()
