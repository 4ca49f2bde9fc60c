"""A plan lived through: moves at their times, rules watched at every commit, then calm and the judgement.

`explore(seed)` runs on virtual time of its own and gives an `Outcome`; the same seed gives the same one, byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import msgspec

from podling.api.catalog import Catalog
from podling.api.objects import Event, Object
from podling.api.schema import Schemas, load
from podling.apiserver.registry.heads import head_of
from podling.apiserver.server import ApiServer
from podling.runtime.fake import Course, Ending
from podling.runtime.images.names import parse
from podling.supervise import Supervisor
from podling.testing import virtualtime
from podling.testing.exploration.chronicle import chronicle
from podling.testing.exploration.ends import used_up
from podling.testing.exploration.judgement import PATIENCE, Patience, unfinished
from podling.testing.exploration.mix import plan_of
from podling.testing.exploration.plan import BUSY, ENDING_IMAGE, FAILING_IMAGE, NAMESPACE, Plan, Trouble
from podling.testing.exploration.users import Users
from podling.testing.exploration.watchman import Watchman
from podling.testing.simulation import Simulation

WATCHED = (
    "apps/controllerrevisions/",
    "apps/daemonsets/",
    "apps/deployments/",
    "apps/replicasets/",
    "apps/statefulsets/",
    "autoscaling/horizontalpodautoscalers/",
    "batch/cronjobs/",
    "batch/jobs/",
    "core/configmaps/",
    "core/namespaces/",
    "core/nodes/",
    "core/persistentvolumeclaims/",
    "core/persistentvolumes/",
    "core/pods/",
    "core/replicationcontrollers/",
    "core/resourcequotas/",
    "core/services/",
    "discovery.k8s.io/endpointslices/",
    "policy/poddisruptionbudgets/",
    "scheduling.k8s.io/priorityclasses/",
)
STILL = 65.0
"""Seconds in which at last nobody writes anything but signs of life."""
ANEW = 20.0
"""Seconds in which components that were started anew would have found something to do."""
_SIGNS_OF_LIFE = ("/leases/", "/events", "/nodes/")
_FORGOTTEN = ("/horizontalpodautoscalers/",)
"""What an autoscaler recommended lately is only in its memory."""
MOST_WRITES = 10_000
"""Ten times what the busiest history needs."""


class Outcome(msgspec.Struct, frozen=True):
    """`story`: what users did, what went wrong and what came of it; `log`: every write, of users and
    components alike."""

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
    return lived(plan_of(seed))


def lived(plan: Plan) -> Outcome:
    history = _History(plan)
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
        self._watchman = Watchman()
        self._story: list[str] = []

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
        self._simulation = _simulation(plan)
        self._simulation.on_start.append(self._attend)
        async with self._simulation.running() as simulation:
            self._env = simulation.env
            users = Users(simulation, self._watchman, self._tell)
            async with Supervisor() as tasks:
                moving = []
                for move in plan.moves:
                    await self._until(move.at)
                    moving.append(tasks.start(type(move).__name__, users.make(move)))
                await self._until(BUSY)
                simulation.spare()
                await asyncio.gather(*moving)
            self._tell("from now on nothing fails")
            simulation.calm()
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
            for key, known in self._watchman.world.held(prefix.rstrip("/")):
                # What the last server wrote with its last breath nobody was told of.
                if cache.get(key) is None:
                    self._observe(Event("DELETED", Object(key, b"", cache.revision, head_of(known, {}), json.loads)))
            for obj in cache.list(prefix):
                self._observe(Event("ADDED", obj)) if self._is_news(obj.key, obj.revision) else None
            cache.follow(prefix, self._observe)

    def _is_news(self, key: str, revision: int) -> bool:
        resource, namespace, name = _parted(key)
        known = self._watchman.world.get(resource, namespace, name)
        return known is None or known["metadata"]["resourceVersion"] != str(revision)

    def _observe(self, event: Event) -> None:
        before, after = self._watchman.observe(self._simulation.env.monotonic(), event)
        for sentence in chronicle(before, after):
            self._tell(f"    {sentence}")
        if event.object.key.startswith("core/pods/"):
            self._watchman.running(self._simulation.env.monotonic(), self._simulation.sandboxes())

    async def _until(self, seconds: float) -> None:
        await self._env.sleep(max(0.0, seconds - self._env.monotonic()))

    def _tell(self, text: str) -> None:
        self._story.append(f"{self._env.monotonic():10.3f} s  {text}")

    # The end.

    async def _rested(self) -> None:
        """As it was asked for, and for a while nobody has anything to do; a quota that is given free late brings both
        about once more."""
        world, patience = self._watchman.world, Patience(self._env.monotonic())
        noise: list[str] = []
        while True:
            left = unfinished(world, self._watchman.acknowledged)
            over = patience.is_over(self._env.monotonic(), left, quota=bool(world.all("core/resourcequotas")))
            if (left or noise) and over:
                self._watchman.violations += [f"after {PATIENCE:.0f} s of calm: {text}" for text in left]
                self._watchman.violations += [f"nothing comes to rest: {line}" for line in noise[-3:]]
                return
            if left:
                await self._env.sleep(5.0)
                continue
            noise = await self._noise(STILL)
            if not noise and not unfinished(world, self._watchman.acknowledged):
                break
        self._tell("everything is as it was asked for, and nobody has anything to do")
        if self._settled:
            await self._started_anew()

    @property
    def _settled(self) -> bool:
        """Nobody waits for a time by the wall clock or for his turn under a quota: there is nothing left to do."""
        jumped = any(isinstance(move, Trouble) and move.what == "jump" for move in self._plan.moves)
        return not jumped and not used_up(self._watchman.world, NAMESPACE)

    async def _started_anew(self) -> None:
        """Who knows nothing but what is stored comes to the same conclusions."""
        self._tell("controllers and scheduler are started anew, and have to find nothing to do")
        for component in ("controllers", "scheduler"):
            self._simulation.silence(component)
            self._simulation.start(component)
        noise = [line for line in await self._noise(ANEW) if not any(each in line for each in _FORGOTTEN)]
        self._watchman.violations += [f"started anew, it changes what was at rest: {line}" for line in noise[-3:]]

    async def _noise(self, seconds: float) -> list[str]:
        """What is written in a while that says nothing new. Who was refused by a quota tries again after long pauses,
        so the first such while may still have some."""
        written = len(self._simulation.log)
        await self._env.sleep(seconds)
        return [line for line in self._simulation.log[written:] if _is_noise(line)]


def _simulation(plan: Plan) -> Simulation:
    catalog, schemas = _facts()
    courses = {
        str(parse(ENDING_IMAGE)): Course(pull=0.2, endings=(Ending(5.0),)),
        str(parse(FAILING_IMAGE)): Course(pull=0.2, endings=(Ending(3.0, exit_code=1),)),
    }
    simulation = Simulation(
        plan.seed,
        nodes=plan.nodes,
        faults=plan.faults,
        course=Course(pull=0.2),
        courses=courses,
        catalog=catalog,
        schemas=schemas,
    )
    simulation.log = _BoundedLog()
    return simulation


def _is_noise(line: str) -> bool:
    """A write that was carried out and is no sign of life; what is refused may be tried again, ever more rarely."""
    return " -> 20" in line and not any(each in line for each in _SIGNS_OF_LIFE)


def _parted(key: str) -> tuple[str, str, str]:
    group, plural, *rest = key.split("/")
    return f"{group}/{plural}", rest[0] if len(rest) > 1 else "", rest[-1]
