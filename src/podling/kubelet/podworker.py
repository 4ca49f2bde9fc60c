"""One Pod's worker: asks `podsync` what to do, does it, tells `podstatus`' answer to the API.

Thin on purpose: the rules are in the two pure functions; here is only what they need of the world (refreshing a
container after an event, running an action as a task, remembering failures). A worker survives every failure of its Pod
and ends when the Pod is gone.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import msgspec

from podling.api.errors import ApiError, Conflict, NotFound
from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.client.resources import PODS
from podling.kubelet import backoff, podsync, termination
from podling.kubelet.containerstart import (
    ContainerStart,
    StartFailure,
    field_path,
    termination_file,
)
from podling.kubelet.podprobes import PodProbes
from podling.kubelet.podsandbox import sandbox_config, write_etc
from podling.kubelet.podstate import Facts, Failure, PodState, Waiting, attempt_of, declared
from podling.kubelet.podstatus import status_of
from podling.kubelet.podstop import kill_container, kill_containers
from podling.kubelet.podsync import POD, Action, decide
from podling.kubelet.podvolumes import PodVolumes, VolumeError
from podling.kubelet.statuswriter import StatusWriter
from podling.kubelet.surroundings import Surroundings, pod_reference
from podling.runtime.interface import RuntimeFailure, Sandbox
from podling.supervise import Supervisor

VOLUMES = "/volumes"
"""Key of the task that writes volumes anew; no container can be called so."""
FIRST_CONFIG_RETRY, CONFIG_RETRY = 1.0, 10.0
STOP_RETRY = 1.0
FIRST_SETUP_RETRY, LONGEST_SETUP_RETRY = 0.5, 122.0
log = logging.getLogger(__name__)


class PodWorker:
    """`run` until the Pod is gone; `update`, `remove` and `changed` from the kubelet's loop at any time."""

    def __init__(self, found: Object, state: PodState, around: Surroundings) -> None:
        self.pod: Pod = found.view
        self.state = state
        self._around = around
        meta = self.pod.metadata
        self.uid = meta.uid
        self._where = pod_reference(meta.namespace, meta.name, meta.uid)
        self._status: dict[str, Any] = found.json().get("status") or {}
        self._wake = asyncio.Event()
        self._stale: dict[str, None] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Waiting] = {}
        self._told: dict[str, None] = {}
        self._volumes = PodVolumes(around, self.uid, self._reference_changed)
        self._volumes_ready = self._volumes_stale = False
        self._removed = self._stopped = self._finished = self._gone = False
        self._failure: Failure | None = None
        self._stop_deadline: float | None = None
        self.sandbox_id = state.sandbox.id if state.sandbox is not None else ""
        self._curious: list[asyncio.Event] = []
        self._tasks = Supervisor()
        self._probes = PodProbes(around, self.pod, self._tasks, self._wake.set)
        self._writer = StatusWriter(
            around.rest, around.env, self._tasks, meta.namespace, meta.name, self.uid, self._status
        )

    # What happens around it.

    def update(self, found: Object) -> None:
        """The API has a new revision of the Pod."""
        before, self.pod = self.pod.metadata, found.view
        after = self.pod.metadata
        if (before.labels, before.annotations) != (after.labels, after.annotations):
            self._volumes_stale = any(v.downward_api or v.projected for v in self.pod.spec.volumes)
        self._wake.set()

    def remove(self) -> None:
        """The API has no such Pod any more."""
        self._removed = self._writer.gone = True
        self._wake.set()

    def changed(self, container: str) -> None:
        """The runtime says that a container of this Pod changed."""
        self._stale[container] = None
        self._wake.set()

    def resync(self, sandbox: Sandbox | None) -> None:
        """Events may have been missed; `sandbox` is what the runtime holds now."""
        if POD not in self._busy and self.state.sandbox is not None:
            gone = msgspec.structs.replace(self.state.sandbox, ready=False)
            self.state = self.state.with_sandbox(gone if sandbox is None or not sandbox.ready else self.state.sandbox)
        for run in self.state.all():
            if run.sandbox and run.state != "exited":
                self._stale[run.id] = None
        self._wake.set()

    async def exited(self, container: str) -> None:
        """Until this run has ended (or nobody knows it)."""
        while any(run.id == container and run.state != "exited" for run in self.state.all()) and not self._gone:
            moved = asyncio.Event()
            self._curious.append(moved)
            await moved.wait()

    @property
    def status(self) -> dict[str, Any]:
        """As it was last told to the API; shared, not to be changed."""
        return self._status

    def relies_on(self, sandbox: str) -> bool:
        """Whether this sandbox is in use, with no work of ours on it under way."""
        known = self.state.sandbox
        return known is not None and known.id == sandbox and known.ready and POD not in self._busy

    def named(self, namespace: str, name: str) -> bool:
        return (self._where.namespace, self._where.name) == (namespace, name)

    def _reference_changed(self) -> None:
        self._volumes_stale = True
        for name, waiting in tuple(self._waiting.items()):
            if name == POD or waiting.reason == "CreateContainerConfigError":
                self._waiting[name] = msgspec.structs.replace(waiting, until=0.0)
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Until the Pod is gone from node and API."""
        async with self._tasks:
            while not self._gone:
                self._wake.clear()
                try:
                    wake = await self._step()
                except Exception:
                    log.exception("pod %s/%s", self._where.namespace, self._where.name)
                    wake = self._around.env.now() + STOP_RETRY
                await self._sleep(wake)
            for moved in self._curious:
                moved.set()

    async def _sleep(self, until: float | None) -> None:
        if self._gone:
            return
        delay = None if until is None else max(until - self._around.env.now(), 0.0)
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _step(self) -> float | None:
        await self._refresh()
        if self._stop_deadline is None:
            self._probes.follow(self.pod, self.state)
        now = self._around.env.now()
        plan = decide(self.pod, self.state, self._facts(), now)
        for finish in self._begin(plan.actions):
            await self._finish(delete=finish.delete)
        self._tell_back_offs(plan.held_back)
        self._publish()
        times = [plan.wake] if plan.wake is not None else []
        if self._volumes_ready and not self._finished and self._stop_deadline is None:
            times += self._keep_volumes(now)
        return min(times) if times else None

    def _facts(self) -> Facts:
        return Facts(
            volumes_ready=self._volumes_ready,
            removed=self._removed,
            stopped=self._stopped,
            failure=self._failure,
            busy=frozenset(self._busy),
            waiting=self._waiting,
            probes=self._probes.probed,
        )

    async def _refresh(self) -> None:
        """Read again what the runtime said has changed."""
        while self._stale:
            id = next(iter(self._stale))
            del self._stale[id]
            found = await self._around.runtime.container(id)
            if found is None:
                self.state = self.state.without(id)
                continue
            attempt = attempt_of(found)
            container = declared(self.pod, attempt.name)
            if attempt.state == "exited" and container is not None and not attempt.message:
                file = termination_file(self._around.config.pod_folder(self.uid), attempt.name, attempt.number)
                said = termination.message(container, file, found.log_path, attempt.exit_code)
                attempt = msgspec.structs.replace(attempt, message=said)
            self.state = self.state.with_attempt(attempt)
        for moved in self._curious:
            moved.set()
        self._curious.clear()

    def _publish(self) -> None:
        if self._removed:
            return
        around = self._around
        self._status = status_of(
            self.pod, self.state, self._facts(), self._status, around.node.ip, around.runtime.name, around.env.now()
        )
        self._writer.publish(self._status)

    def _tell_back_offs(self, names: Iterable[str]) -> None:
        for name in names:
            run = self.state.last(name)
            if run is not None and run.id not in self._told:
                self._told[run.id] = None
                meta = self.pod.metadata
                what = f"container {name} in pod {meta.name}_{meta.namespace}({meta.uid})"
                self._event("Warning", "BackOff", f"Back-off restarting failed {what}", name)

    def _event(self, type: str, reason: str, message: str, container: str = "") -> None:
        path = field_path(self.pod, container) if container else ""
        where = msgspec.structs.replace(self._where, field_path=path) if path else self._where
        self._around.recorder.event(where, type, reason, message)

    # Actions.

    def _begin(self, actions: Iterable[Action]) -> list[podsync.Finish]:
        """Start what runs beside the loop; what ends the Pod is returned."""
        setup: list[Action] = []
        finishes: list[podsync.Finish] = []
        for action in actions:
            match action:
                case podsync.Prepare() | podsync.RunSandbox():
                    setup.append(action)
                case podsync.Start():
                    self._do(action.name, partial(self._start, action))
                case podsync.Kill():
                    self._do(action.name, partial(self._kill, action))
                case podsync.Discard():
                    self._do(action.name, partial(self._discard, action))
                case podsync.BackOffPull():
                    self._back_off_pull(action.name)
                case podsync.FailPod():
                    self._failure = Failure(action.reason, action.message)
                    self._event("Normal", action.reason, action.message)
                    self._wake.set()
                case podsync.StopPod():
                    self._begin_stop(action.grace)
                case podsync.Finish():
                    finishes.append(action)
        if setup:
            self._do(POD, partial(self._set_up, setup))
        return finishes

    def _do(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if key in self._busy:
            return
        task = self._tasks.start(f"{self._where.name} {key}", self._guarded(key, work))
        self._busy[key] = task
        task.add_done_callback(lambda ended: self._done(key, ended))

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        if self._busy.get(key) is task:
            del self._busy[key]
        self._wake.set()

    async def _guarded(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:
            known = isinstance(error, (RuntimeFailure, ApiError, OSError))
            log.log(logging.INFO if known else logging.ERROR, "pod %s: %s: %s", self._where.name, key, error,
                    exc_info=not known)  # fmt: skip
            self._wait(key, "RunContainerError", str(error), STOP_RETRY)

    def _wait(self, key: str, reason: str, message: str, delay: float) -> None:
        now = self._around.env.now()
        self._waiting[key] = Waiting(reason, message, now, now + delay, delay)

    async def _set_up(self, parts: list[Action]) -> None:
        async with Supervisor() as both:
            mounting = None
            if any(isinstance(part, podsync.Prepare) for part in parts):
                mounting = both.start(f"volumes of {self._where.name}", self._mount())
            if any(isinstance(part, podsync.RunSandbox) for part in parts):
                await self._run_sandbox()
            if mounting is not None:
                await mounting

    async def _mount(self) -> None:
        self._volumes_stale = False
        try:
            await self._volumes.mount(self.pod)
        except VolumeError as error:
            self._event("Warning", "FailedMount", str(error))
            self._retry_setup(str(error))
            return
        self._volumes_ready = True

    def _retry_setup(self, message: str) -> None:
        before = self._waiting.get(POD)
        delay = FIRST_SETUP_RETRY if before is None else min(2 * before.delay, LONGEST_SETUP_RETRY)
        self._wait(POD, "ContainerCreating", message, delay)

    async def _run_sandbox(self) -> None:
        around, config = self._around, self._around.config
        if self.state.sandbox is not None:
            await around.runtime.remove_sandbox(self.state.sandbox.id)
            self.state = self.state.with_sandbox(None)
        self.sandbox_id = around.env.token(32).hex()
        try:
            async with around.calls:
                sandbox = await around.runtime.run_sandbox(sandbox_config(self.pod, self.sandbox_id, config.node_name))
        except (RuntimeFailure, OSError) as error:
            self._event("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            self._retry_setup(str(error))
            return
        if self.pod.spec.host_network:
            sandbox = msgspec.structs.replace(sandbox, ip=config.internal_ip)
        write_etc(self.pod, sandbox, config)
        if around.runtime.simulated:
            self._event("Normal", "Simulated", "This Pod is simulated: its containers run no process")
        self.state = self.state.with_sandbox(sandbox)

    async def _start(self, step: podsync.Start) -> None:
        sandbox = self.state.sandbox
        assert sandbox is not None
        start = ContainerStart(self._around, self.pod, step, sandbox, self._volumes.paths)
        old = self.state.attempts.get(step.name, ())[:-1]
        try:
            running = await start.run()
        except StartFailure as failure:
            self._start_failed(step.name, failure)
            return
        finally:
            self._stale[start.id] = None
        self._waiting.pop(step.name, None)
        await self._refresh()
        for run in old:
            self.state = self.state.without(run.id)
            await self._around.runtime.remove_container(run.id)
        if running:
            self._wake.set()
            await start.post_start()

    def _start_failed(self, name: str, failure: StartFailure) -> None:
        before = self._waiting.get(name)
        last = before.delay if before is not None else 0.0
        if failure.reason == "ErrImagePull":
            delay = backoff.doubled(last)
        else:
            delay = min(max(2 * last, FIRST_CONFIG_RETRY), CONFIG_RETRY)
        self._wait(name, failure.reason, failure.message, delay)

    def _back_off_pull(self, name: str) -> None:
        waiting, container = self._waiting[name], declared(self.pod, name)
        if container is None:
            return
        words = f'Back-off pulling image "{container.image}"'
        message = f"{words}: {waiting.reason}: {waiting.message}"
        self._waiting[name] = msgspec.structs.replace(waiting, reason="ImagePullBackOff", message=message)
        self._event("Normal", "BackOff", words, name)
        self._event("Warning", "Failed", "Error: ImagePullBackOff", name)
        self._wake.set()

    async def _kill(self, step: podsync.Kill) -> None:
        run = self.state.last(step.name)
        if run is not None and run.id == step.id:
            ip = self.state.sandbox.ip if self.state.sandbox is not None else ""
            self._probes.stop(step.id)
            await kill_container(self._around, self.pod, run, ip, step.grace, step.why)
            self._stale[step.id] = None

    async def _discard(self, step: podsync.Discard) -> None:
        await self._around.runtime.remove_container(step.id)
        self.state = self.state.without(step.id)

    # Ends.

    def _begin_stop(self, grace: float) -> None:
        deadline = self._around.env.monotonic() + grace
        if self._stop_deadline is not None and POD in self._busy and deadline >= self._stop_deadline:
            return
        self._stop_deadline = deadline
        self._probes.stop_all()
        unfinished = list(self._busy.values())
        for task in unfinished:
            task.cancel()
        self._busy.clear()
        self._do(POD, partial(self._stop, unfinished, grace))

    async def _stop(self, unfinished: list[asyncio.Task[None]], grace: float) -> None:
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._refresh()
        try:
            await kill_containers(self._around, self.pod, self.state, grace)
            if self.sandbox_id:
                await self._around.runtime.stop_sandbox(self.sandbox_id)
        except (RuntimeFailure, OSError) as error:
            self._event("Warning", "FailedKillPod", f"error killing pod: {error}")
            await self._around.env.sleep(STOP_RETRY)
            return
        for run in self.state.all():
            if run.state != "exited":
                self._stale[run.id] = None
        await self._refresh()
        if self.state.sandbox is not None:
            self.state = self.state.with_sandbox(msgspec.structs.replace(self.state.sandbox, ready=False))
        self._stopped = True

    async def _finish(self, *, delete: bool) -> None:
        """Free what the Pod holds; write its last status; with `delete` take it out of the API."""
        if self._finished and not delete:
            return
        around = self._around
        await around.env.in_thread(self._volumes.unmount)
        self._finished, self._volumes_ready = True, False
        around.references.release(self.uid)
        around.tokens.forget(self.uid)
        self._publish()
        if not delete:
            return
        if self.sandbox_id:
            await around.runtime.remove_sandbox(self.sandbox_id)
        if not self._removed:
            await self._writer.flush()
            await self._delete()
        meta, config = self.pod.metadata, around.config
        for folder in (config.pod_folder(self.uid), config.log_folder(meta.namespace, meta.name, self.uid)):
            await around.env.in_thread(shutil.rmtree, folder, ignore_errors=True)
        self._gone = True

    async def _delete(self) -> None:
        try:
            await self._around.rest.delete(PODS, self._where.namespace, self._where.name, uid=self.uid, grace=0)
        except (NotFound, Conflict):
            return

    # Volumes that change.

    def _keep_volumes(self, now: float) -> list[float]:
        """Write volumes anew where something changed or a token grows old; when to look again."""
        due = self._volumes.refresh_at
        if self._volumes_stale or (due is not None and due <= now):
            self._volumes_stale = False
            self._do(VOLUMES, self._rewrite)
            return []
        return [] if due is None else [due]

    async def _rewrite(self) -> None:
        try:
            await self._volumes.mount(self.pod)
        except VolumeError as error:
            self._event("Warning", "FailedMount", str(error))
            self._volumes.refresh_at = self._around.env.now() + CONFIG_RETRY
