"""The scheduler's shell: informers in, bindings and explanations out.

Up to 256 Pods are decided about one after the other, each seeing the assumed places of those before it; their
bindings are then written together, in one commit of the store. A binding that fails gives the place back.
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
from podling.scheduler.plugins import default_plugins
from podling.scheduler.queue import SchedulingQueue
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of
from podling.scheduler.writer import Writer
from podling.supervise import Supervisor

NAME = "default-scheduler"
BATCH, SLICE = 256, 64
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
        self._queue = SchedulingQueue()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        async with Supervisor() as tasks:
            if self._own_informers:
                tasks.start("scheduler's informers", self._informers.run())
            tasks.start("scheduler's events", self._recorder.run())
            tasks.start("scheduling", self._schedule())
            await tasks.wait()

    async def _schedule(self) -> None:
        await self._nodes.wait_synced()
        await self._pods.wait_synced()
        await self._namespaces.wait_synced()
        await self._budgets.wait_synced()
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
        placed: list[tuple[PodFacts, str]] = []
        refused: list[tuple[PodFacts, Unschedulable]] = []
        for number, facts in enumerate(batch, 1):
            decision = self._cycle.decide(facts, self._snapshot, self._env.chance())
            if isinstance(decision, Placement):
                self._snapshot.put(facts, decision.node)
                placed.append((facts, decision.node))
            else:
                self._refuse(facts, decision)
                refused.append((facts, decision))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        bindings = (self._bind(facts, node) for facts, node in placed)
        explanations = (self._writer.explain(facts, decision) for facts, decision in refused)
        await asyncio.gather(*bindings, *explanations)

    def _refuse(self, facts: PodFacts, decision: Unschedulable) -> None:
        self._queue.unschedulable(facts.key, self._env.monotonic())
        if decision.preemption is not None:
            self._snapshot.nominate(facts, decision.preemption.node)

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

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._snapshot.namespaces[new.head.name] = new.head.labels
        elif old is not None:
            self._snapshot.namespaces.pop(old.head.name, None)

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
            self._queue.wake()
            self._wake.set()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or pods.is_finished(new.view):
            self._pod_left(new or old)
            return
        pod: Pod = new.view
        if pod.spec.node_name:
            self._queue.drop(new.key)
            self._snapshot.put(facts_of(new.key, pod), pod.spec.node_name)
            if _may_help_others(old, new):
                self._queue.wake()
                self._wake.set()
        elif pod.spec.scheduler_name in ("", NAME) and not new.head.deleting:
            self._pod_waits(new)
        else:
            self._queue.drop(new.key)

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
        self._snapshot.nominate(facts_of(gone.key, gone.view), None)
        if self._snapshot.home(gone.key) is not None:
            self._snapshot.take(gone.key)
            self._queue.wake()
            self._wake.set()


def _may_help_others(old: Object | None, new: Object) -> bool:
    """A Pod that was placed, or carries other labels now, may be the neighbour that another one waits for."""
    return old is None or not old.view.spec.node_name or old.head.labels != new.head.labels
