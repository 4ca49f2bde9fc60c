"""The machine that runs one controller: queue → reconcile → carry out → wait to see its own writes.

A key is in work once at a time. It is not taken again before the informers passed what the last run wrote (kopf's
way; client-go counts expectations instead), so a pure function that looks at the informers never sees a world older
than its own deeds. A run that cost *c* seconds is not repeated within 10 *c* (500 ms at most), which bounds a
controller's share of the loop to a tenth; deletions and first changes are never damped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from podling.api.errors import ApiError
from podling.api.objects import Object
from podling.client.events import EventRecorder
from podling.client.informer import Handler, Informer, Informers
from podling.client.rest import Rest
from podling.client.transport import Resource, Transport
from podling.client.workqueue import Backoff, WorkQueue
from podling.controllermanager.doer import Doer, Journal, Sight
from podling.controllermanager.view import Glance, LiveView
from podling.env import Env
from podling.reconcile.action import Answers, Group, Plan
from podling.reconcile.controller import Controller, Keys
from podling.reconcile.view import ServedResources, Settings
from podling.supervise import Supervisor

PARALLEL = 16
"""Keys of one controller in work at the same time."""
DAMPING, LONGEST_DAMPING = 10.0, 0.5
SOONEST = 0.001
"""Seconds: who wants to look again at a wall-clock time computes less than this, or nothing, shortly before it."""
SIGHT_LIMIT = 30.0
"""Seconds after which the runner no longer waits to see its writes: it says so and goes on."""
ASK_EVERY = 0.1
log = logging.getLogger(__name__)


class Runner:
    """`run` beside the informers. `journal` is told every action."""

    def __init__(
        self,
        controller: Controller,
        informers: Informers,
        transport: Transport,
        env: Env,
        settings: Settings,
        served: ServedResources,
        journal: Journal | None = None,
    ) -> None:
        self._controller, self._informers, self._env = controller, informers, env
        self._settings, self._served = settings, served
        self._recorder = EventRecorder(transport, env, controller.component)
        told = None if journal is None else _named(controller.name, journal)
        self._doer = Doer(Rest(transport), self._recorder.event, told)
        self._queue: WorkQueue[str] = WorkQueue()
        self._backoff: Backoff[str] = Backoff()
        self._failures: dict[str, ApiError] = {}
        self._not_before: dict[str, float] = {}
        self._remembered: dict[str, Any] = {}
        self._wake = asyncio.Event()
        self._sources: dict[str, Informer] = {}
        self._attended: dict[Resource, None] = {}
        self._listening = False

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        for resource in self._resources():
            informer = self._informers.of(resource)
            await informer.wait_synced()
        self._listen()
        async with Supervisor() as tasks:
            tasks.start(f"events {self._controller.name}", self._recorder.run())
            tasks.start(f"queue {self._controller.name}", self._dispatch(tasks))
            await tasks.wait()

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in work."""
        return self._queue.idle

    def _resources(self) -> Iterable[Resource]:
        controller = self._controller
        own = () if controller.resource is None else (controller.resource,)
        every = tuple(each.resource for each in self._served) if controller.everything else ()
        return dict.fromkeys((*own, *(watch.resource for watch in controller.watches), *controller.reads, *every))

    def _listen(self) -> None:
        controller = self._controller
        self._listening = True
        if controller.resource is not None:
            self._own(controller.resource)
        if controller.everything:
            for each in self._served:
                self.attend(each.resource)
        elif controller.related is not None and controller.resource is not None:
            changed = self._changed(controller.related, controller.alike, controller.newcomers)
            self._informers.of(controller.resource).on_change(changed)
        for watch in controller.watches:
            self._informers.of(watch.resource).on_change(self._changed(watch.keys, watch.alike))

    def _itself(self, old: Object | None, new: Object | None) -> None:
        """Most changes concern nobody: this is asked for each of them by each controller."""
        if old is not None and new is not None and self._controller.alike(old, new):
            return
        relevant = self._controller.relevant
        if (old is not None and relevant(old)) or (new is not None and relevant(new)):
            known = new if new is not None else old
            assert known is not None
            self._enqueue(known.key, urgent=old is None or new is None)

    def attend(self, resource: Resource) -> None:
        """Look at a resource too, where the controller looks at everything; what it may mean for others is asked."""
        controller = self._controller
        if not (controller.everything and self._listening) or resource in self._attended:
            return
        self._attended[resource] = None
        if controller.resource is None:
            # Objects owned by one of the new kind have been looked at without knowing what it is.
            waiting = [found.key for source in self._sources.values() for found in source.list() if found.head.owners]
            self._own(resource)
            for key in waiting:
                self._enqueue(key, urgent=False)
        if controller.related is not None:
            changed = self._changed(controller.related, controller.alike, controller.newcomers)
            self._informers.of(resource).on_change(changed)

    def forget(self, resource: Resource) -> None:
        """The resource is gone, and all its objects with it."""
        self._attended.pop(resource, None)
        self._sources.pop(f"{resource.group or 'core'}/{resource.plural}", None)

    def _own(self, resource: Resource) -> None:
        informer = self._informers.of(resource)
        self._sources[f"{resource.group or 'core'}/{resource.plural}"] = informer
        informer.on_change(self._itself)

    def _changed(
        self,
        keys: Keys,
        alike: Callable[[Object, Object], bool] = lambda old, new: False,
        newcomers: Callable[[Object], bool] | None = None,
    ) -> Handler:
        glance = Glance(self._informers, self._env, self._settings, self._served)

        def handler(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and alike(old, new):
                return
            if old is None and new is not None and newcomers is not None and not newcomers(new):
                return
            if old is not None:
                for key in keys(old, glance):
                    self._enqueue(key, urgent=new is None)
            if new is not None:
                for key in keys(new, glance):
                    self._enqueue(key, urgent=old is None)

        return handler

    def _enqueue(self, key: str, *, urgent: bool) -> None:
        not_before = 0.0 if urgent else self._not_before.get(key, 0.0)
        if not_before > self._env.monotonic():
            self._queue.add_at(key, not_before)
        else:
            self._queue.add(key)
        self._wake.set()

    async def _dispatch(self, tasks: Supervisor) -> None:
        slots = asyncio.Semaphore(PARALLEL)
        while True:
            await slots.acquire()
            key = await self._next()
            tasks.start(f"{self._controller.name} {key}", self._work(key, slots))

    async def _next(self) -> str:
        while True:
            self._wake.clear()
            now = self._env.monotonic()
            self._queue.advance(now)
            key = self._queue.take()
            if key is not None:
                return key
            due = self._queue.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(due - now, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _work(self, key: str, slots: asyncio.Semaphore) -> None:
        try:
            await self._sync(key)
        except Exception:
            # A controller's mistake about one object must not stop it for all others.
            log.exception("%s: %s", self._controller.name, key)
            self._queue.add_at(key, self._env.monotonic() + self._backoff.failed(key))
        finally:
            self._queue.done(key)
            self._wake.set()
            slots.release()

    async def _sync(self, key: str) -> None:
        thinking = _Thinking(self._plan(key), self._env)
        sights: list[Sight] = []
        failure, again = None, None
        for group in thinking:
            if not group:
                await asyncio.sleep(0)
                continue
            outcome = await self._doer.carry_out(group)
            sights += outcome.sights
            thinking.told(outcome.answers)
            if outcome.kept is not None:
                self._remembered[key] = outcome.kept.value
            failure, again = outcome.failure, outcome.again if again is None else again
            if failure is not None:
                break
        await self._see(key, sights)
        now = self._env.monotonic()
        damping = min(DAMPING * thinking.cost, LONGEST_DAMPING)
        if damping > SOONEST:  # most runs cost so little that there is nothing to remember
            self._not_before[key] = now + damping
        else:
            self._not_before.pop(key, None)
        self._settle(key, failure, again, now)

    def _settle(self, key: str, failure: ApiError | None, again: float | None, now: float) -> None:
        if failure is not None:
            log.debug("%s: %s: %s", self._controller.name, key, failure)
            self._failures[key] = failure
            self._queue.add_at(key, now + self._backoff.failed(key))
            return
        self._failures.pop(key, None)
        self._backoff.succeeded(key)
        if again is not None:
            self._queue.add_at(key, now + max(again, SOONEST))
        if self._object(key) is None:
            self._not_before.pop(key, None)
            self._remembered.pop(key, None)

    def _plan(self, key: str) -> Plan:
        found = self._object(key)
        if found is not None:
            return self._controller.reconcile(found, self._view(key))
        return () if self._controller.vanished is None else self._controller.vanished(key, self._view(key))

    async def _see(self, key: str, sights: list[Sight]) -> None:
        try:
            async with asyncio.timeout(SIGHT_LIMIT):
                for sight in sights:
                    await self._see_one(sight)
        except TimeoutError:
            log.warning("%s: %s: own writes not seen after %g s", self._controller.name, key, SIGHT_LIMIT)

    async def _see_one(self, sight: Sight) -> None:
        if sight.resource not in self._informers:
            return
        informer = self._informers.of(sight.resource)
        revision = sight.revision if sight.asked else await self._newest(sight)
        if revision:
            await informer.wait_revision(revision)
        if sight.key:
            await informer.wait_until(lambda: _gone(informer.by_key(sight.key), sight.uid))

    async def _newest(self, sight: Sight) -> int:
        """Ask until somebody answers: what may have been written must be seen before anything is decided again."""
        while True:
            try:
                return await self._doer.newest(sight.resource, sight.namespace)
            except ApiError:
                await self._env.sleep(ASK_EVERY)

    def _object(self, key: str) -> Object | None:
        group, plural, _ = key.split("/", 2)
        source = self._sources.get(f"{group}/{plural}")
        return None if source is None else source.by_key(key)

    def _view(self, key: str) -> LiveView:
        failure, remembered = self._failures.get(key), self._remembered.get(key)
        return LiveView(self._informers, self._env, self._settings, self._served, failure, remembered)


class _Thinking:
    """A plan as it is thought out, group by group; `cost` is the time that took, without what was awaited between."""

    def __init__(self, plan: Plan, env: Env) -> None:
        self._plan, self._env = iter(plan), env
        self._answers: Answers = ()
        self.cost = 0.0

    def told(self, answers: Answers) -> None:
        """What was asked in the last group."""
        self._answers = answers

    def __iter__(self) -> Iterator[Group]:
        while True:
            began = self._env.monotonic()
            group = self._next()
            self.cost += self._env.monotonic() - began
            if group is None:
                return
            yield group

    def _next(self) -> Group | None:
        answers, self._answers = self._answers, ()
        if not (answers and isinstance(self._plan, Generator)):
            return next(self._plan, None)
        try:
            group: Group = self._plan.send(answers)
        except StopIteration:
            return None
        return group


def _gone(found: Object | None, uid: str) -> bool:
    return found is None or found.head.uid != uid or found.head.deleting


def _named(name: str, journal: Journal) -> Journal:
    return lambda line: journal(f"{name}: {line}")
