"""One Pod's worker: asks `podsync` what to do, has it done, tells `podstatus`' answer to the API.

Thin on purpose: the rules are in the two pure functions, the deeds in `podactions`. A worker survives every failure of
its Pod and ends when the Pod is gone.
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
from podling.kubelet import podsync
from podling.kubelet.admission import REJECTED, claim_of
from podling.kubelet.diskusage import usage_of
from podling.kubelet.hostports import publish
from podling.kubelet.limits import exceeded, limited
from podling.kubelet.podactions import STOP_RETRY, PodActions
from podling.kubelet.podmemory import PodMemory
from podling.kubelet.podstate import Failure, PodState
from podling.kubelet.podstatus import status_of
from podling.kubelet.podsync import POD, Action, decide
from podling.kubelet.resizing import lagging, wanted
from podling.kubelet.statuswriter import StatusWriter
from podling.kubelet.surroundings import Surroundings
from podling.reconcile.resizing import refusal, told, with_allotted
from podling.runtime.interface import RuntimeFailure, Sandbox
from podling.supervise import Supervisor

VOLUMES = "/volumes"
"""Key of the task that writes volumes anew; no container can be called so."""
log = logging.getLogger(__name__)


class PodWorker:
    """`run` until the Pod is gone; `update`, `remove`, `changed` and `resync` from the kubelet's loop at any time."""

    def __init__(self, found: Object, state: PodState, around: Surroundings) -> None:
        self._around = around
        self._tasks = Supervisor()
        self._memory = PodMemory(found.view, state, around, self._tasks)
        self._actions = PodActions(around, self._memory)
        self._status: dict[str, Any] = found.json().get("status") or {}
        self._settled = self._status.get("phase") in ("Succeeded", "Failed")
        ending = self._settled or found.view.metadata.deletion_timestamp is not None
        self.admitted = bool(ending or state.sandbox is not None or state.attempts or self._status.get("startTime"))
        """Whether the node was asked if it takes the Pod."""
        if self.admitted and not self._settled:
            around.books.hold(self.uid, claim_of(with_allotted(found.view, self._memory.allotted)))
        where = self._memory.where
        self._writer = StatusWriter(
            around.rest, around.env, self._tasks, where.namespace, where.name, where.uid, self._status
        )
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, None] = {}
        self._stop_deadline: float | None = None
        self._finished = self._gone = False
        self._resized = True

    # What others may know of it.

    @property
    def pod(self) -> Pod:
        return self._memory.pod

    @property
    def uid(self) -> str:
        return self._memory.uid

    @property
    def state(self) -> PodState:
        return self._memory.state

    @property
    def sandbox_id(self) -> str:
        return self._memory.sandbox_id

    @property
    def status(self) -> dict[str, Any]:
        """As it was last told to the API; shared, not to be changed."""
        return self._status

    def named(self, namespace: str, name: str) -> bool:
        return (self._memory.where.namespace, self._memory.where.name) == (namespace, name)

    def relies_on(self, sandbox: str) -> bool:
        """Whether this sandbox is in use, with no work of ours on it under way."""
        known = self.state.sandbox
        return known is not None and known.id == sandbox and known.ready and POD not in self._busy

    async def exited(self, container: str) -> None:
        """Until this run has ended (or nobody knows it)."""
        while any(run.id == container and run.state != "exited" for run in self.state.all()) and not self._gone:
            await self._memory.moved()

    # What happens around it.

    def admit(self, failure: Failure | None) -> None:
        """The node takes the Pod, or says why not."""
        self.admitted = True
        if failure is None:
            self._memory.allotted = wanted(self.pod)
            self._around.books.hold(self.uid, claim_of(self.pod))
        else:
            self._memory.failure = failure
            self._memory.tell("Warning", failure.reason, failure.message.removeprefix(REJECTED))

    def update(self, found: Object) -> None:
        """The API has a new revision of the Pod."""
        memory = self._memory
        before, memory.pod = memory.pod, found.view
        if _told(before) != _told(memory.pod):
            memory.volumes_stale |= any(v.downward_api or v.projected for v in memory.pod.spec.volumes)
            memory.retry_configuration()
        memory.wake.set()

    def remove(self) -> None:
        """The API has no such Pod any more."""
        self._memory.removed = self._writer.gone = True
        self._around.books.release(self.uid)
        self._memory.wake.set()

    def changed(self, container: str) -> None:
        """The runtime says that a container of this Pod changed."""
        self._memory.changed(container)

    def resync(self, sandbox: Sandbox | None) -> None:
        """Events may have been missed; `sandbox` is what the runtime holds now."""
        state = self.state
        if POD not in self._busy and state.sandbox is not None and (sandbox is None or not sandbox.ready):
            self._memory.state = state.with_sandbox(msgspec.structs.replace(state.sandbox, ready=False))
        for run in state.all():
            if run.sandbox and run.state != "exited":
                self._memory.changed(run.id)
        self._memory.wake.set()

    async def measure(self) -> None:
        """Evict the Pod where it has written more than it may."""
        memory = self._memory
        if memory.volumes_ready and memory.failure is None and limited(memory.pod):
            used = await usage_of(self._around, memory.pod, memory.state, memory.volumes.paths)
            failure = exceeded(memory.pod, used)
            if failure is not None:
                memory.tell("Warning", failure.reason, failure.message)
                memory.failure = failure
                memory.wake.set()

    # The loop.

    async def run(self) -> None:
        """Until the Pod is gone from node and API."""
        wake, sandbox = self._memory.wake, self.state.sandbox
        if sandbox is not None and sandbox.ready:
            publish(self.pod, sandbox, self._around.ports)
        async with self._tasks:
            while not self._gone:
                wake.clear()
                try:
                    again = await self._step()
                except Exception:  # a supervising loop: one Pod's failure must not end the node
                    log.exception("pod %s/%s", self._memory.where.namespace, self._memory.where.name)
                    again = self._around.env.now() + STOP_RETRY
                await self._sleep(again)
            self._memory.let_look()

    async def _sleep(self, until: float | None) -> None:
        if self._gone:
            return
        delay = None if until is None else max(until - self._around.env.now(), 0.0)
        try:
            async with asyncio.timeout(delay):
                await self._memory.wake.wait()
        except TimeoutError:
            return

    async def _step(self) -> float | None:
        """One look at everything; the wall-clock second of the next one, if no event comes before."""
        memory = self._memory
        await memory.refresh()
        if self._stop_deadline is None:
            memory.probes.follow(memory.pod, memory.state)
        self._allot()
        self._tell_resized()
        now = self._around.env.now()
        plan = decide(memory.pod, memory.state, memory.facts(frozenset(self._busy)), now)
        for finish in self._begin(plan.actions):
            await self._finish(delete=finish.delete)
        self._tell_back_offs(plan.held_back)
        self._publish()
        times = [plan.wake] if plan.wake is not None else []
        if memory.volumes_ready and self._stop_deadline is None:
            times += self._keep_volumes(now)
        return min(times) if times else None

    def _allot(self) -> None:
        """Follow what the spec wants, if the node has it."""
        memory, books = self._memory, self._around.books
        asked = wanted(memory.pod)
        if memory.allotted == asked:
            memory.pending = None
            return
        others = (claim.requests for claim in books.others(self.uid))
        before, memory.pending = memory.pending, refusal(claim_of(memory.pod).requests, others, books.has)
        if memory.pending is None:
            memory.allotted = asked
            books.hold(self.uid, claim_of(memory.pod))
            memory.tell("Normal", "ResizeStarted", f"Pod resize started: {told(memory.pod)}")
            self._resized = False
            return
        books.wait(self.uid, memory.wake.set)
        if before != memory.pending:
            reason = memory.pending.reason
            memory.tell("Warning", f"Resize{reason}", f"Pod resize {reason}: {memory.pending.message}")

    def _tell_resized(self) -> None:
        if not self._resized and not any(lagging(self.state, self._memory.allotted)):
            self._resized = True
            self._memory.tell("Normal", "ResizeCompleted", f"Pod resize completed: {told(self.pod)}")

    def _publish(self) -> None:
        memory, around = self._memory, self._around
        if memory.removed or (self._settled and memory.state.sandbox is None):
            return
        facts = memory.facts(frozenset(self._busy))
        self._status = status_of(
            memory.pod, memory.state, facts, self._status, around.node.ip, around.runtime.name, around.env.now()
        )
        self._writer.publish(self._status)

    def _tell_back_offs(self, names: Iterable[str]) -> None:
        for name in names:
            run = self.state.last(name)
            if run is not None and run.id not in self._told:
                self._told[run.id] = None
                meta = self.pod.metadata
                what = f"container {name} in pod {meta.name}_{meta.namespace}({meta.uid})"
                self._memory.tell("Warning", "BackOff", f"Back-off restarting failed {what}", name)

    # Actions.

    def _begin(self, steps: Iterable[Action]) -> list[podsync.Finish]:
        """Start what runs beside the loop; what ends the Pod is returned."""
        actions = self._actions
        setup: list[Action] = []
        finishes: list[podsync.Finish] = []
        for step in steps:
            match step:
                case podsync.Prepare() | podsync.RunSandbox():
                    setup.append(step)
                case podsync.Start():
                    self._do(step.name, partial(actions.start, step))
                case podsync.Kill():
                    self._do(step.name, partial(actions.kill, step))
                case podsync.Resize():
                    self._do(step.name, partial(actions.resize, step))
                case podsync.Discard():
                    self._do(step.name, partial(actions.discard, step))
                case podsync.BackOffPull():
                    actions.back_off_pull(step.name)
                case podsync.FailPod():
                    self._fail(step)
                case podsync.StopPod():
                    self._stop(step.grace)
                case podsync.Finish():
                    finishes.append(step)
        if setup:
            self._do(POD, partial(actions.set_up, setup))
        return finishes

    def _do(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if key in self._busy:
            return
        task = self._tasks.start(f"{self._memory.where.name} {key}", self._guarded(key, work))
        self._busy[key] = task
        task.add_done_callback(partial(self._done, key))

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        if self._busy.get(key) is task:
            del self._busy[key]
        self._memory.wake.set()

    async def _guarded(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        name = self._memory.where.name
        try:
            await work()
        except (RuntimeFailure, ApiError, OSError) as error:
            log.info("pod %s: %s: %s", name, key, error)
            self._memory.wait(key, "RunContainerError", str(error), STOP_RETRY)
        except Exception as error:  # a supervising frame: a failed action is tried again and never ends the node
            log.exception("pod %s: %s", name, key)
            self._memory.wait(key, "RunContainerError", str(error), STOP_RETRY)

    def _fail(self, step: podsync.FailPod) -> None:
        self._memory.failure = Failure(step.reason, step.message)
        self._memory.tell("Normal", step.reason, step.message)
        self._memory.wake.set()

    # Volumes that change.

    def _keep_volumes(self, now: float) -> list[float]:
        """Write volumes anew where something changed or a token grows old; when to look again."""
        if VOLUMES in self._busy:  # what changed meanwhile is looked at as soon as that is done
            return []
        due = self._memory.volumes.refresh_at
        if self._memory.volumes_stale or (due is not None and due <= now):
            self._memory.volumes_stale = False
            self._do(VOLUMES, self._actions.rewrite)
            return []
        return [] if due is None else [due]

    # Ends.

    def _stop(self, grace: float) -> None:
        """Begin to end everything; a shorter grace than before replaces what is under way."""
        deadline = self._around.env.monotonic() + grace
        if self._stop_deadline is not None and POD in self._busy and deadline >= self._stop_deadline:
            return
        self._stop_deadline = deadline
        self._memory.probes.stop_all()
        unfinished = list(self._busy.values())
        for task in unfinished:
            task.cancel()
        self._busy.clear()
        self._do(POD, partial(self._actions.stop, unfinished, grace))

    async def _finish(self, *, delete: bool) -> None:
        """Free what the Pod holds; write its last status; with `delete` take it out of the API."""
        if self._finished and not delete:
            return
        memory, around = self._memory, self._around
        await around.env.in_thread(memory.volumes.unmount)
        self._finished, memory.volumes_ready = True, False
        around.books.release(self.uid)
        around.ports.close_host_ports(self.uid)
        around.references.release(self.uid)
        around.tokens.forget(self.uid)
        around.certificates.forget(self.uid)
        self._publish()
        if not delete:
            return
        if memory.sandbox_id:
            await around.runtime.remove_sandbox(memory.sandbox_id)
        if not memory.removed:
            await self._writer.flush()
            await self._delete()
        meta, config = self.pod.metadata, around.config
        for folder in (config.pod_folder(self.uid), config.log_folder(meta.namespace, meta.name, self.uid)):
            await around.env.in_thread(shutil.rmtree, folder, ignore_errors=True)
        self._gone = True

    async def _delete(self) -> None:
        where = self._memory.where
        try:
            await self._around.rest.delete(PODS, where.namespace, where.name, uid=self.uid, grace=0)
        except (NotFound, Conflict):
            return


def _told(pod: Pod) -> tuple[object, ...]:
    """What the downward API tells of a Pod and may change while it runs; the generation stands for its resources."""
    return pod.metadata.labels, pod.metadata.annotations, pod.metadata.generation
