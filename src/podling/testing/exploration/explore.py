"""A plan lived through: moves at their times, invariants watched at every commit, then calm and the judgement.

`explore(seed)` runs on virtual time of its own and gives an `Outcome`; the same seed gives the same one, byte for byte.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import msgspec

from podling.api.catalog import Catalog
from podling.api.errors import ApiError, NotFound
from podling.api.objects import Event
from podling.api.schema import Schemas, load
from podling.apiserver.server import ApiServer
from podling.client.resources import NODES, PODS
from podling.client.transport import Resource
from podling.runtime.fake import Course, Ending
from podling.runtime.images.names import parse
from podling.supervise import Supervisor
from podling.testing import virtualtime
from podling.testing.exploration.invariants import Watchman
from podling.testing.exploration.judgement import unfinished
from podling.testing.exploration.plan import (
    BUSY,
    ENDING_IMAGE,
    NAMESPACE,
    Change,
    Create,
    Delete,
    Evict,
    Move,
    Plan,
    Trouble,
    plan_of,
)
from podling.testing.simulation import Simulation

Json = dict[str, Any]

WATCHED = (
    "apps/controllerrevisions/",
    "apps/daemonsets/",
    "apps/deployments/",
    "apps/replicasets/",
    "apps/statefulsets/",
    "batch/jobs/",
    "core/nodes/",
    "core/pods/",
    "core/resourcequotas/",
    "core/services/",
    "discovery.k8s.io/endpointslices/",
    "policy/poddisruptionbudgets/",
)
PATIENCE = 900.0
"""Virtual seconds of calm in which everything has to be as it must."""
STILL = 65.0
"""Seconds in which at last nobody writes anything but signs of life."""
_SIGNS_OF_LIFE = ("/leases/", "/events", "/nodes/")
TRIES = 40
MOST_WRITES = 10_000
"""Ten times what the busiest history needs."""


class Outcome(msgspec.Struct, frozen=True):
    """`story`: what users did and what went wrong; `log`: every write, of users and components alike."""

    seed: int
    violations: tuple[str, ...]
    story: tuple[str, ...]
    log: tuple[str, ...]
    seconds: float
    """Of virtual time, until everything was at rest."""


@cache
def _facts() -> tuple[Catalog, Schemas]:
    """What there is, the same for all histories of a process: plans define no resources."""
    schemas = load()
    return Catalog.load("current", schemas=schemas), schemas


class Restless(BaseException):
    """Somebody writes without end; no `Exception`, because components outlive those."""


def explore(seed: int) -> Outcome:
    """One history. What breaks it off is a violation, too."""
    history = _History(plan_of(seed))
    with _quiet():
        try:
            return virtualtime.run(history.lived())
        except (Exception, Restless) as error:  # noqa: BLE001 (the history is what is tried: what it dies of is the finding)
            return history.broken(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Injected failures are no news for a log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class _BoundedLog(list[str]):
    def append(self, line: str) -> None:
        super().append(line)
        if len(self) > MOST_WRITES:
            raise Restless(f"{len(self)} writes and no end: {line}")


class _History:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._watchman = Watchman(plan)
        self._story: list[str] = []
        self._acknowledged: dict[tuple[str, str], Json | None] = {}

    def broken(self, error: BaseException) -> Outcome:
        """The outcome of a history that did not come to its end."""
        why = f"broken off by {type(error).__name__}: {error}"
        return Outcome(
            self._plan.seed,
            (*self._watchman.violations, why),
            tuple(self._story),
            tuple(self._simulation.log),
            0.0,
        )

    async def lived(self) -> Outcome:
        plan = self._plan
        course = Course(pull=0.2)
        courses = {str(parse(ENDING_IMAGE)): Course(pull=0.2, endings=(Ending(5.0),))}
        catalog, schemas = _facts()
        self._simulation = Simulation(
            plan.seed,
            nodes=plan.nodes,
            faults=plan.faults,
            course=course,
            courses=courses,
            catalog=catalog,
            schemas=schemas,
        )
        self._simulation.log = _BoundedLog()
        self._simulation.on_start.append(self._attend)
        async with self._simulation.running() as simulation:
            self._env, self._rest = simulation.env, simulation.rest
            async with Supervisor() as tasks:
                moving = []
                for move in plan.moves:
                    await self._until(move.at)
                    moving.append(tasks.start(type(move).__name__, self._make(move)))
                await self._until(BUSY)
                await asyncio.gather(*moving)
            await self._heal()
            await self._rested()
            return Outcome(
                plan.seed,
                tuple(self._watchman.violations),
                tuple(self._story),
                tuple(simulation.log),
                round(self._env.monotonic(), 3),
            )

    def _attend(self, server: ApiServer) -> None:
        """Watch every commit of a server, from its first on."""
        cache = server.backend.cache
        for prefix in WATCHED:
            for obj in cache.list(prefix):
                self._observe(Event("ADDED", obj)) if self._is_news(obj.key, obj.revision) else None
            cache.follow(prefix, self._observe)

    def _is_news(self, key: str, revision: int) -> bool:
        resource, namespace, name = _parted(key)
        known = self._watchman.world.get(resource, namespace, name)
        return known is None or known["metadata"]["resourceVersion"] != str(revision)

    def _observe(self, event: Event) -> None:
        self._watchman.observe(self._simulation.env.monotonic(), event)
        if event.object.key.startswith("core/pods/"):
            self._watchman.running(self._simulation.env.monotonic(), self._simulation.sandboxes())

    async def _until(self, seconds: float) -> None:
        await self._env.sleep(max(0.0, seconds - self._env.monotonic()))

    def _tell(self, text: str) -> None:
        self._story.append(f"{self._env.monotonic():10.3f} s  {text}")

    # What users do, until it is acknowledged or refused for good.

    async def _make(self, move: Move) -> None:
        match move:
            case Create():
                await self._create(move)
            case Change():
                await self._change(move)
            case Delete():
                await self._delete(move)
            case Evict():
                await self._evict(move)
            case Trouble():
                await self._trouble(move)

    async def _create(self, move: Create) -> None:
        self._tell(f"the user creates {move.body['kind']} {move.name}")
        await self._insisting(self._rest.transport.request, "POST", move.resource.path(NAMESPACE), body=move.body)
        self._acknowledged[_key(move.resource), move.name] = dict(move.body["spec"])

    async def _change(self, move: Change) -> None:
        self._tell(f"the user changes {move.resource.plural} {move.name}: {move.spec}")
        body = {"spec": move.spec}
        answer = await self._insisting(
            self._rest.transport.request,
            "PATCH",
            move.resource.path(NAMESPACE, move.name),
            body=body,
            content_type="application/merge-patch+json",
        )
        known = self._acknowledged.get((_key(move.resource), move.name))
        if answer is not None and known is not None:
            self._acknowledged[_key(move.resource), move.name] = known | move.spec

    async def _delete(self, move: Delete) -> None:
        self._tell(f"the user deletes {move.resource.plural} {move.name} ({move.propagation})")
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": move.propagation}
        await self._insisting(
            self._rest.transport.request, "DELETE", move.resource.path(NAMESPACE, move.name), body=body
        )
        self._acknowledged[_key(move.resource), move.name] = None

    async def _evict(self, move: Evict) -> None:
        pods = [
            pod for pod in self._watchman.world.all("core/pods") if pod["metadata"]["labels"].get("app") == move.app
        ]
        if not pods:
            return
        name = pods[move.number % len(pods)]["metadata"]["name"]
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        try:
            await self._rest.create(PODS, NAMESPACE, eviction, name=name, subresource="eviction")
            self._tell(f"{name} is evicted")
        except ApiError as error:
            self._tell(f"{name} is not evicted: {error}")

    async def _insisting(self, ask: Any, verb: str, path: str, **more: Any) -> Any:
        """The answer, after as many tries as it takes; None where what is asked about is not there."""
        for _ in range(TRIES):
            try:
                return await ask(verb, path, **more)
            except NotFound:
                return None
            except ApiError as error:
                if error.code == 409 and verb == "POST":
                    return None
                await self._env.sleep(0.5)
        self._watchman.violations.append(f"{verb} {path} was never answered")
        return None

    # What goes wrong.

    async def _trouble(self, move: Trouble) -> None:
        simulation = self._simulation
        match move.what:
            case "silence" if simulation.has(move.target):
                self._tell(f"{move.target} falls silent for {move.seconds} s")
                simulation.silence(move.target)
                await self._env.sleep(move.seconds)
                self._tell(f"{move.target} is back")
                self._revive(move.target)
            case "server" if simulation.server.ready:
                self._tell(f"the API server is gone for {move.seconds} s")
                await simulation.restart_server(move.seconds)
                self._tell("the API server is back")
            case "jump":
                self._tell(f"the clock is set by {move.seconds} s")
                simulation.env.jump(move.seconds)
            case "taint" | "cordon":
                await self._repel(move)

    def _revive(self, component: str) -> None:
        simulation = self._simulation
        if simulation.has(component):
            return
        if component == "controllers":
            simulation.start_controllers()
        elif component == "scheduler":
            simulation.start_scheduler()
        else:
            simulation.start_node(component)

    async def _repel(self, move: Trouble) -> None:
        self._tell(f"{move.target} takes no Pods for {move.seconds} s ({move.what})")
        taint = {"key": "simulated", "effect": "NoSchedule"}
        since = {"metadata": {"annotations": {"simulated/tainted-at": f"{self._env.monotonic():.3f}"}}}
        spec: Json = {"taints": [taint]} if move.what == "taint" else {"unschedulable": True}
        await self._patch_node(move.target, since | {"spec": spec})
        await self._env.sleep(move.seconds)
        spec = {"taints": None} if move.what == "taint" else {"unschedulable": None}
        await self._patch_node(move.target, {"metadata": {"annotations": None}, "spec": spec})

    async def _patch_node(self, name: str, body: Json) -> None:
        await self._insisting(
            self._rest.transport.request,
            "PATCH",
            NODES.path("", name),
            body=body,
            content_type="application/merge-patch+json",
        )

    # The end.

    async def _heal(self) -> None:
        self._tell("from now on nothing fails")
        self._simulation.calm()

    async def _rested(self) -> None:
        deadline = self._env.monotonic() + PATIENCE
        while left := unfinished(self._watchman.world, self._acknowledged):
            if self._env.monotonic() > deadline:
                self._watchman.violations += [f"after {PATIENCE:.0f} s of calm: {text}" for text in left]
                return
            await self._env.sleep(5.0)
        self._tell("everything is as it was asked for")
        while noise := await self._noise():
            if self._env.monotonic() > deadline:
                self._watchman.violations += [f"nothing comes to rest: {line}" for line in noise[-3:]]
                return

    async def _noise(self) -> list[str]:
        """What is written in a while that says nothing new. Who was refused by a quota tries again after long pauses,
        so the first such while may still have some."""
        written = len(self._simulation.log)
        await self._env.sleep(STILL)
        return [line for line in self._simulation.log[written:] if _is_noise(line)]


def _is_noise(line: str) -> bool:
    """A write that was carried out and is no sign of life; what is refused may be tried again, ever more rarely."""
    return " -> 20" in line and not any(each in line for each in _SIGNS_OF_LIFE)


def _key(resource: Resource) -> str:
    return f"{resource.group or 'core'}/{resource.plural}"


def _parted(key: str) -> tuple[str, str, str]:
    group, plural, *rest = key.split("/")
    return f"{group}/{plural}", rest[0] if len(rest) > 1 else "", rest[-1]
