"""The kubelet: Pods bound to this node in the API become sandboxes and containers, and their state becomes status.

It holds nothing that may not be lost. What runs is with the runtime (the keeper), what is wanted is in the API; a
newborn kubelet reads both and goes on: same restart counts, same back-off, no restart of anything that runs.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable
from functools import partial

import msgspec

from podling.api.errors import ApiError
from podling.api.kinds.core.node import Node
from podling.api.objects import Object
from podling.client.events import EventRecorder
from podling.client.informer import Informer
from podling.client.resources import NODES, PODS, SERVICES
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env, rfc3339
from podling.kubelet.admission import names_places, refusal
from podling.kubelet.books import Books
from podling.kubelet.config import KubeletConfig
from podling.kubelet.containerstart import log_file
from podling.kubelet.downward import NodeFacts
from podling.kubelet.hostports import HostPorts, NoHostPorts
from podling.kubelet.imagegc import ImageGc, disk_of
from podling.kubelet.logs import rotate
from podling.kubelet.machine import read_machine
from podling.kubelet.node import capacity
from podling.kubelet.nodeagent import NodeAgent
from podling.kubelet.podcertificates import PodCertificates
from podling.kubelet.podstate import GRACE, attempt_of, state_of
from podling.kubelet.podvolumes import unmount_all
from podling.kubelet.podworker import PodWorker
from podling.kubelet.provisionedvolumes import ProvisionedVolumes
from podling.kubelet.references import References
from podling.kubelet.surroundings import Surroundings
from podling.kubelet.tokens import TokenCache
from podling.runtime.interface import Container, Runtime, RuntimeFailure, Sandbox
from podling.supervise import Supervisor

RECONNECT = 0.5
HOUSEKEEPING = 10.0
ORPHAN_GRACE = 30.0
log = logging.getLogger(__name__)


class Held(msgspec.Struct, frozen=True):
    """What the runtime holds of one Pod: its living sandbox, all containers, sandboxes of earlier lives."""

    sandbox: Sandbox | None
    containers: tuple[Container, ...]
    former: tuple[Sandbox, ...] = ()


class Kubelet:
    """`await run()` until cancelled; containers live on."""

    def __init__(
        self,
        config: KubeletConfig,
        transport: Transport,
        runtime: Runtime,
        env: Env,
        ports: HostPorts | None = None,
    ) -> None:
        """`ports`: who makes the Pods' host ports reachable."""
        self.config, self.runtime, self.env = config, runtime, env
        self.started = env.now()
        config.state.mkdir(parents=True, exist_ok=True)
        self._transport = transport
        self._rest = Rest(transport)
        self._machine = read_machine(config.state)
        self.recorder = EventRecorder(transport, env, "kubelet", config.node_name)
        own = f"spec.nodeName={config.node_name}"
        self._pods = Informer(transport, PODS, env, field_selector=own)
        self._services = Informer(transport, SERVICES, env)
        self._provisioned = ProvisionedVolumes(config, transport, env)
        self._workers: dict[str, PodWorker] = {}
        self._held: dict[str, Held] = {}
        self._tasks = Supervisor()
        self._listening = asyncio.Event()
        self._around = self._surroundings(ports or NoHostPorts())

    def _surroundings(self, ports: HostPorts) -> Surroundings:
        config = self.config
        return Surroundings(
            config=config,
            env=self.env,
            runtime=self.runtime,
            rest=self._rest,
            recorder=self.recorder,
            references=References(self._transport, self.env, self._tasks),
            services=self._services,
            tokens=TokenCache(self._rest, self.env),
            certificates=PodCertificates(self._transport, self.env, self._tasks, self.recorder, config.node_name),
            node=NodeFacts(config.node_name, config.internal_ip, capacity(config, self._machine)),
            books=Books(capacity(config, self._machine)),
            ports=ports,
            memory=self._machine.memory,
            calls=asyncio.Semaphore(config.concurrency),
            pulls=asyncio.Semaphore(config.concurrency),
        )

    async def run(self) -> None:
        """Register the node, take over what runs, keep all Pods going; for ever."""
        agent = NodeAgent(self.config, self._rest, self.runtime, self.env, self._machine)
        async with self._tasks as tasks:
            tasks.start("events", self.recorder.run())
            tasks.start("node", agent.run())
            tasks.start("services", self._services.run())
            tasks.start("provisioned volumes", self._provisioned.run())
            tasks.start("runtime events", self._follow_runtime())
            await self._listening.wait()
            self._held = _by_pod(*await self.runtime.list())
            self._pods.on_change(self._pod_changed)
            tasks.start("pods", self._pods.run())
            tasks.start("housekeeping", self._keep_house())
            tasks.start("images", self._collect_images())
            await self._services.wait_synced()
            await self._pods.wait_synced()
            await self._bury_orphans()
            await tasks.wait()

    def worker(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of a Pod by name; the newest where a former one of the name is still ending."""
        found = [w for w in self._workers.values() if w.named(namespace, name)]
        return found[-1] if found else None

    @property
    def books(self) -> Books:
        """What the Pods hold of the node."""
        return self._around.books

    @property
    def workers(self) -> Iterable[PodWorker]:
        return tuple(self._workers.values())

    # Pods.

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None and (worker := self._workers.get(old.head.uid)) is not None:
                worker.remove()
            return
        worker = self._workers.get(new.head.uid)
        if worker is not None:
            worker.update(new)
        else:
            # At once, not when the task begins: the next event of the same batch may be about the same Pod.
            held = self._held.pop(new.head.uid, Held(None, ()))
            state = state_of(held.sandbox, map(attempt_of, held.containers), new.view)
            worker = self._workers[new.head.uid] = PodWorker(new, state, self._around)
            self._tasks.start(f"pod {new.head.namespace}/{new.head.name}", self._work(new, worker, held))

    async def _work(self, found: Object, worker: PodWorker, held: Held) -> None:
        for container in held.containers:
            if container.state == "exited":
                worker.changed(container.id)
        try:
            await self._services.wait_synced()
            for former in held.former:
                await self.runtime.remove_sandbox(former.id)
            if not worker.admitted:
                await self._admit(worker)
            await worker.run()
        except Exception:
            log.exception("the worker of pod %s/%s ended", found.head.namespace, found.head.name)
        finally:
            del self._workers[found.head.uid]
            self._around.books.release(found.head.uid)

    async def _admit(self, worker: PodWorker) -> None:
        """Look whether the node takes the Pod. The books are read and written without a pause between."""
        node = await self._node() if names_places(worker.pod.spec) else None
        books = self._around.books
        others, simulated = books.others(worker.uid), self.runtime.simulated
        worker.admit(refusal(worker.pod, others, books.has, node, simulated=simulated))

    async def _node(self) -> Node:
        """This node as the API has it."""
        while True:
            try:
                return msgspec.convert((await self._rest.get(NODES, "", self.config.node_name)).object, Node)
            except ApiError as error:
                log.info("node %s: %s", self.config.node_name, error)
                await self.env.sleep(RECONNECT)

    async def _bury_orphans(self) -> None:
        """End what runs of Pods that the API does not know, remove folders nobody needs."""
        orphans, self._held = self._held, {}
        async with Supervisor() as ending:
            for uid, held in orphans.items():
                ending.start(f"orphan {uid}", self._bury(uid, held))
            await ending.wait()
        folders = (self.config.state / "pods", self.config.state / "parts")
        for uid in sorted({path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}):
            if uid not in self._workers:
                await self.env.in_thread(partial(self._remove_folder, uid))

    def _remove_folder(self, uid: str) -> None:
        folder = self.config.pod_folder(uid)
        try:
            unmount_all(self.config, uid)
        except OSError as error:
            log.warning("volumes of a former pod %s stay: %s", uid, error)
            return
        shutil.rmtree(folder, ignore_errors=True)

    async def _bury(self, uid: str, held: Held) -> None:
        try:
            async with Supervisor() as ending:
                for container in held.containers:
                    grace = float(container.labels.get(GRACE, ORPHAN_GRACE))
                    if container.state == "running":
                        ending.start(f"end {container.name}", self.runtime.stop_container(container.id, grace))
                await ending.wait()
            for sandbox in (held.sandbox, *held.former):
                if sandbox is not None:
                    await self.runtime.stop_sandbox(sandbox.id)
                    await self.runtime.remove_sandbox(sandbox.id)
        except (RuntimeFailure, OSError) as error:
            log.warning("orphaned pod %s: %s", uid, error)

    async def _keep_house(self) -> None:
        """What has no event: logs and volumes that grow."""
        while True:
            await self.env.sleep(HOUSEKEEPING)
            for worker in self.workers:
                try:
                    await self._rotate_logs(worker)
                    await worker.measure()
                except (RuntimeFailure, OSError) as error:
                    log.warning("pod %s: %s", worker.pod.metadata.name, error)

    async def _collect_images(self) -> None:
        gc = ImageGc(self.config, self.runtime, self.env, partial(disk_of, self.config.state))
        while True:
            try:
                await gc.collect()
            except (RuntimeFailure, OSError) as error:
                log.warning("images: %s", error)
            await self.env.sleep(self.config.image_gc_every)

    async def _rotate_logs(self, worker: PodWorker) -> None:
        config = self.config
        for run in worker.state.all():
            if run.state == "running" and run.sandbox:
                path = log_file(self._around, worker.pod, run.name, run.number)
                stamp = rfc3339(self.env.now()).replace(":", "")
                await rotate(self.runtime, run.id, str(path), stamp, config.log_bytes, config.log_files)

    # The runtime.

    async def _follow_runtime(self) -> None:
        while True:
            try:
                async with self.runtime.events() as events:
                    if self._listening.is_set():
                        await self._resync()
                    self._listening.set()
                    async for event in events:
                        if event.kind == "exited":
                            self._exited(event.sandbox, event.id)
                        elif event.kind == "sandbox" and self._unexpected(event.id):
                            await self._resync()
            except (RuntimeFailure, OSError) as error:
                log.warning("runtime events: %s", error)
            await self.env.sleep(RECONNECT)

    def _exited(self, sandbox: str, container: str) -> None:
        for worker in self._workers.values():
            if worker.sandbox_id == sandbox:
                worker.changed(container)

    def _unexpected(self, sandbox: str) -> bool:
        """Whether a change of this sandbox was not our own doing."""
        return any(worker.relies_on(sandbox) for worker in self._workers.values())

    async def _resync(self) -> None:
        """After missed events: every worker reads its containers anew and learns whether its sandbox is there."""
        held = _by_pod(*await self.runtime.list())
        for uid, worker in self._workers.items():
            worker.resync(held[uid].sandbox if uid in held else None)


def _by_pod(sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> dict[str, Held]:
    grouped: dict[str, list[Sandbox]] = {}
    for sandbox in sandboxes:
        grouped.setdefault(sandbox.pod_uid, []).append(sandbox)
    everything = tuple(containers)
    out: dict[str, Held] = {}
    for uid, found in grouped.items():
        # The living one last, so that it is taken.
        found.sort(key=lambda sandbox: sandbox.ready)
        chosen = found[-1]
        mine = tuple(c for c in everything if c.sandbox == chosen.id)
        out[uid] = Held(chosen, mine, tuple(found[:-1]))
    return out
