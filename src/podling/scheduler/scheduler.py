"""The scheduler's shell: informers in, bindings and explanations out.

Up to 128 Pods are decided about one after the other, each seeing the assumed places of those before it; their
bindings are then written many at a time, in few commits of the store. A binding that fails gives the place back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from podling.api.errors import ApiError, Conflict, NotFound
from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.client.events import EventRecorder
from podling.client.informer import Informers
from podling.client.resources import NAMESPACES, NODES, PODDISRUPTIONBUDGETS, PODS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env
from podling.reconcile import pods
from podling.scheduler.budgets import budget_of
from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.devicebinder import DeviceBinder, NotReserved, Reservation
from podling.scheduler.deviceworld import DeviceWorld
from podling.scheduler.plugin import Cause
from podling.scheduler.plugins import default_plugins
from podling.scheduler.plugins.volumebinding import Choice
from podling.scheduler.queue import SchedulingQueue
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of
from podling.scheduler.volumebinder import NotBound, VolumeBinder
from podling.scheduler.volumeworld import VolumeWorld
from podling.scheduler.workloads import Workloads
from podling.scheduler.writer import Writer
from podling.supervise import Supervisor, for_each

NAME = "default-scheduler"
BATCH = 128
HELD = 0.004
"""Seconds of deciding after which others get their turn."""
UNSURE = 0.1
"""Seconds before a binding without an answer is tried again."""
log = logging.getLogger(__name__)


class Scheduler:
    """`run` until cancelled. The transport's identity is `system:kube-scheduler`.

    `informers` may be shared (who shares them runs them); `journal` is told every decision.
    """

    def __init__(
        self,
        transport: Transport,
        env: Env,
        informers: Informers | None = None,
        journal: Callable[[str], None] | None = None,
    ) -> None:
        self._env = env
        self._own_informers = informers is None
        self._informers = informers or Informers(transport, env)
        self._pods, self._nodes = self._informers.of(PODS), self._informers.of(NODES)
        self._namespaces = self._informers.of(NAMESPACES)
        self._budgets = self._informers.of(PODDISRUPTIONBUDGETS)
        self._recorder = EventRecorder(transport, env, NAME)
        self._writer = Writer(Rest(transport), self._recorder, env, self._pods, journal or (lambda line: None))
        self._cycle, self._snapshot = Cycle(default_plugins()), Snapshot()
        self._world = VolumeWorld(self._informers, lambda: self._stir(Cause.VOLUME))
        self._snapshot.volumes = self._world.volumes
        self._volumes = VolumeBinder(Rest(transport), self._world)
        self._device_world = DeviceWorld(self._informers, lambda: self._stir(Cause.DEVICE))
        self._snapshot.devices = self._device_world.devices
        self._devices = DeviceBinder(Rest(transport), self._device_world, env)
        self._workloads = Workloads(self._informers)
        self._snapshot.selector_of = self._workloads.selector_of
        self._queue = SchedulingQueue()
        self._wake = asyncio.Event()
        self._tasks: Supervisor

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        async with Supervisor() as tasks:
            self._tasks = tasks
            if self._own_informers:
                tasks.start("scheduler's informers", self._informers.run())
            tasks.start("scheduler's events", self._recorder.run())
            tasks.start("scheduling", self._schedule())
            await tasks.wait()

    async def _schedule(self) -> None:
        synced = (
            self._nodes,
            self._pods,
            self._namespaces,
            self._budgets,
            *self._workloads.informers,
            *self._world.informers,
            *self._device_world.informers,
        )
        for informer in synced:
            await informer.wait_synced()
        self._workloads.listen()
        self._world.listen()
        self._device_world.listen()
        self._budgets.on_change(self._budget_changed)
        self._namespaces.on_change(self._namespace_changed)
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)
        while True:
            self._wake.clear()
            batch = self._queue.take(BATCH, self._env.monotonic())
            if batch:
                await self._place(batch)
            else:
                await self._rest_until_woken()

    async def _rest_until_woken(self) -> None:
        due = self._queue.next_due()
        wait = None if due is None else max(due - self._env.monotonic(), 0.0)
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _place(self, batch: Sequence[PodFacts]) -> None:
        decided: list[tuple[PodFacts, Placement | Unschedulable]] = []
        began = self._env.monotonic()
        for facts in batch:
            decision = self._cycle.decide(facts, self._snapshot, self._env.chance())
            if isinstance(decision, Placement):
                choices = self._volumes.choose(facts, self._snapshot, decision.node) if facts.claims else ()
                wished = facts.pod.spec.resource_claims
                reserved = self._devices.choose(facts, self._snapshot, decision.node) if wished else ()
                self._snapshot.put(facts, decision.node)
                if choices or reserved:
                    # A volume may take minutes to be made; nobody else waits for that.
                    work = self._bind_with_claims(facts, decision.node, choices, reserved)
                    self._tasks.start(f"claims of {facts.key}", work)
                    continue
            else:
                self._refuse(facts, decision)
            decided.append((facts, decision))
            if self._env.monotonic() - began > HELD:
                await asyncio.sleep(0)
                began = self._env.monotonic()
        await for_each(decided, self._carry_out)

    async def _carry_out(self, decided: tuple[PodFacts, Placement | Unschedulable]) -> None:
        facts, decision = decided
        if isinstance(decision, Placement):
            await self._bind(facts, decision.node)
        elif not decision.silent and not await self._writer.explain(facts, decision):
            self._queue.retry(facts.key, self._env.monotonic())
            self._wake.set()

    def _refuse(self, facts: PodFacts, decision: Unschedulable) -> None:
        if decision.silent:
            self._queue.wait(facts.key, self._env.monotonic(), decision.heeds)
            return
        if facts.pod.spec.resource_claims and (claim := self._devices.superfluous(facts, self._snapshot)) is not None:
            self._tasks.start(f"devices of {claim.key}", self._devices.deallocate(claim))
        self._queue.unschedulable(facts.key, self._env.monotonic(), decision.heeds)
        if decision.preemption is not None:
            self._snapshot.nominate(facts, decision.preemption.node)

    async def _bind_with_claims(
        self, facts: PodFacts, node: str, choices: Sequence[Choice], reserved: Sequence[Reservation]
    ) -> None:
        try:
            if choices:
                await self._volumes.bind(choices, node)
            await self._devices.reserve(facts, reserved)
        except (NotBound, NotReserved) as error:
            self._devices.forget(reserved)
            self._snapshot.take(facts.key)
            self._queue.retry(facts.key, self._env.monotonic())
            self._wake.set()
            await self._writer.explain(facts, Unschedulable(str(error)))
        else:
            await self._bind(facts, node)

    async def _bind(self, facts: PodFacts, node: str) -> None:
        error = await self._writer.bind(facts, node)
        while error is not None and error.code >= 500:
            # Whether it happened is not known, and a place that is given back too early is given away twice.
            await self._env.sleep(UNSURE)
            error = await self._writer.bind(facts, node)
        if error is None:
            self._queue.drop(facts.key)
        else:
            self._not_bound(facts, error)

    def _not_bound(self, facts: PodFacts, error: ApiError) -> None:
        """The API has refused it; a Pod that is bound all the same is known from the informer, now or soon."""
        found = self._pods.by_key(facts.key)
        if found is not None and found.view.spec.node_name and found.head.uid == facts.uid:
            return
        self._snapshot.take(facts.key)
        if isinstance(error, NotFound) or found is None:
            self._queue.drop(facts.key)
            return
        if not isinstance(error, Conflict):
            log.info("%s not bound: %s", facts.key, error)
        self._queue.retry(facts.key, self._env.monotonic())

    def _stir(self, happened: int) -> None:
        self._queue.wake(happened)
        if self._queue.stirred:
            self._wake.set()

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old).head.name  # type: ignore[union-attr]
        self._snapshot.set_namespace(name, new.head.labels if new is not None else None)
        self._stir(Cause.NAMESPACE)

    def _budget_changed(self, old: Object | None, new: Object | None) -> None:
        budget = budget_of(new) if new is not None else None
        if new is not None and budget is not None:
            self._snapshot.budgets[new.key] = budget
        elif old is not None:
            self._snapshot.budgets.pop(old.key, None)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._snapshot.remove_node(old.head.name)
            return
        described = self._snapshot.described
        self._snapshot.set_node(new.view)
        if self._snapshot.described != described:
            self._stir(Cause.NODE)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or pods.is_finished(new.view):
            self._pod_left(new or old)
            return
        pod: Pod = new.view
        if pod.spec.node_name:
            self._pod_stands(old, new)
        elif pod.spec.scheduler_name in ("", NAME) and not new.head.deleting:
            self._pod_waits(new)
        else:
            self._queue.drop(new.key)

    def _pod_stands(self, old: Object | None, new: Object) -> None:
        self._queue.drop(new.key)
        if not self._snapshot.renew(new.key, new.view):
            self._snapshot.put(facts_of(new.key, new.view), new.view.spec.node_name)
        if _may_help_others(old, new):
            self._stir(Cause.POD_CAME)

    def _pod_waits(self, new: Object) -> None:
        if new.view.spec.scheduling_gates:
            self._queue.drop(new.key)
        elif self._snapshot.home(new.key) is None:
            self._queue.put(facts_of(new.key, new.view))
            self._wake.set()

    def _pod_left(self, gone: Object | None) -> None:
        if gone is None:
            return
        self._queue.drop(gone.key)
        self._snapshot.forget_nomination(gone.key)
        if self._snapshot.home(gone.key) is not None:
            self._snapshot.take(gone.key)
            self._stir(Cause.POD_LEFT)


def _may_help_others(old: Object | None, new: Object) -> bool:
    """A Pod that was placed, or carries other labels now, may be the neighbour that another one waits for."""
    return old is None or not old.view.spec.node_name or old.head.labels != new.head.labels
