"""The machine under a controller, with the real API server on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from podling.api.objects import Object
from podling.apiserver.config import Config
from podling.client.informer import Informers
from podling.client.resources import CONFIGMAPS, PODS, SECRETS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.controllermanager.manager import find_controllers
from podling.controllermanager.runner import Runner
from podling.env import SimulatedEnv
from podling.reconcile.action import Again, Create, Delete, Group, Patch, Present
from podling.reconcile.controller import Controller
from podling.reconcile.view import ServedResources, Settings, View
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyTransport
from podling.testing.virtualtime import run
from tests.client.servers import api_server, config_map


class Bench(msgspec.Struct, frozen=True):
    """An administrator, the time, and what the controller under test did."""

    rest: Rest
    env: SimulatedEnv
    journal: list[str]
    transport: FaultyTransport

    async def secrets(self) -> list[str]:
        listing = await self.rest.transport.list(SECRETS, namespace="default")
        return sorted(each.head.labels.get("of", "") for each in listing.items)


Reconcile = Callable[[Object, View], Iterator[Group]]


@asynccontextmanager
async def running(
    reconcile: Reconcile,
    faults: Faults | None = None,
    seed: int = 1,
    *,
    env: SimulatedEnv | None = None,
    vanished: Callable[[str, View], Iterator[Group]] | None = None,
) -> AsyncIterator[Bench]:
    """A controller of ConfigMaps that may read Secrets."""
    env = env or SimulatedEnv(seed)
    controller = Controller("test", "tester", reconcile, CONFIGMAPS, reads=(SECRETS,), vanished=vanished)
    async with api_server(Config(), env) as server, Supervisor() as tasks:
        inner: Transport = server.transport("system:kube-controller-manager")
        transport = FaultyTransport(inner, env, faults or Faults())
        informers = Informers(transport, env)
        journal: list[str] = []
        runner = Runner(controller, informers, transport, env, Settings(), ServedResources(), journal.append)
        tasks.start("informers", informers.run())
        tasks.start("runner", runner.run())
        yield Bench(Rest(server.transport("admin", ("system:masters",))), env, journal, transport)


def secret(of: Object) -> Create:
    metadata = {"generateName": f"{of.head.name}-", "labels": {"of": of.head.name}}
    return Create(SECRETS, "default", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})


def secrets_of(found: Object, view: View) -> list[Object]:
    return view.of(SECRETS).selected("default", {"of": found.head.name})


def one_secret_each(found: Object, view: View) -> Iterator[Group]:
    """As naive as can be: it creates what it does not see."""
    if found.head.namespace == "default" and not secrets_of(found, view):
        yield [secret(found)]


@pytest.mark.parametrize(
    "faults",
    [Faults(delay=2.0), Faults(delay=0.5, lost_answer=0.4), Faults(lost_watch=0.3, expired_watch=0.2, lost_answer=0.3)],
    ids=["slow watches", "lost answers", "everything"],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_naive_controller_never_does_a_thing_twice(faults: Faults, seed: int) -> None:
    async def scenario() -> None:
        async with running(one_secret_each, faults, seed) as bench:
            for number in range(6):
                await bench.rest.create(CONFIGMAPS, "default", config_map(f"x{number}", a="0"))
            for turn in range(5):
                for number in range(6):
                    await bench.rest.patch(CONFIGMAPS, "default", f"x{number}", {"data": {"a": str(turn)}})
                await bench.env.sleep(0.7)
            await bench.env.sleep(60)
            assert await bench.secrets() == [f"x{number}" for number in range(6)]

    run(scenario())


def test_a_deleted_object_is_seen_to_go_before_its_key_is_taken_again() -> None:
    deletions: list[str] = []

    def prune(found: Object, view: View) -> Iterator[Group]:
        for each in secrets_of(found, view):
            deletions.append(each.head.name)
            yield [Delete(SECRETS, "default", each.head.name, each.head.uid)]

    async def scenario() -> None:
        async with running(prune, Faults(delay=3.0)) as bench:
            await bench.rest.create(SECRETS, "default", {"metadata": {"name": "s", "labels": {"of": "x"}}})
            await bench.env.sleep(10)
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            for turn in range(10):
                await bench.env.sleep(0.9)
                await bench.rest.patch(CONFIGMAPS, "default", "x", {"data": {"a": str(turn)}})
            await bench.env.sleep(30)
            assert deletions == ["s"]

    run(scenario())


def test_groups_are_carried_out_in_order_and_a_failure_ends_the_plan() -> None:
    def plan(found: Object, view: View) -> Iterator[Group]:
        if found.head.name == "x" and not secrets_of(found, view):
            yield [secret(found)]
            yield [Present(CONFIGMAPS, "default", "absent", "no uid")]
            yield [Patch(CONFIGMAPS, "default", "x", {"data": {"reached": "yes"}})]

    async def scenario() -> None:
        async with running(plan) as bench:
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            await bench.env.sleep(1)
            assert bench.journal == [
                "test: create secrets default/x-*: ok",
                "test: present configmaps default/absent: failed: configmaps absent is gone or being deleted",
            ]
            assert (await bench.rest.get(CONFIGMAPS, "default", "x")).object.get("data") is None

    run(scenario())


def test_a_failing_key_backs_off_and_the_failure_is_told_to_the_next_run() -> None:
    told: list[tuple[float, str]] = []

    async def scenario() -> None:
        env: SimulatedEnv | None = None

        def failing(found: Object, view: View) -> Iterator[Group]:
            if found.head.name == "x":
                assert env is not None
                told.append((env.monotonic(), view.failure.reason if view.failure else ""))
                yield [Patch(SECRETS, "default", "absent", {})]

        async with running(failing) as bench:
            env = bench.env
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            await bench.env.sleep(2)

    run(scenario())
    assert [reason for _, reason in told[:3]] == ["", "NotFound", "NotFound"]
    waits = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(told)]
    assert 5 <= len(waits) <= 10
    assert all(later >= 1.7 * earlier for earlier, later in itertools.pairwise(waits))


def test_a_mistake_about_one_object_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fragile(found: Object, view: View) -> Iterator[Group]:
        if found.head.name == "bad":
            raise ValueError("a mistake")
        yield from one_secret_each(found, view)

    async def scenario() -> None:
        async with running(fragile) as bench:
            for name in ("bad", "good"):
                await bench.rest.create(CONFIGMAPS, "default", config_map(name))
            await bench.env.sleep(1)
            assert await bench.secrets() == ["good"]

    with caplog.at_level(logging.CRITICAL):
        run(scenario())


class Laborious(SimulatedEnv):
    """A world in which thinking takes time: `labour` is what the processor has spent so far."""

    labour = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.labour


def test_a_costly_key_is_damped_and_its_deletion_is_not() -> None:
    runs: list[tuple[float, bool]] = []

    async def scenario() -> None:
        env = Laborious(1)

        def costly(found: Object, view: View) -> Iterator[Group]:
            if found.head.name == "x":
                env.labour += 0.03
                runs.append((asyncio.get_running_loop().time(), True))
            yield []

        def vanished(key: str, view: View) -> Iterator[Group]:
            runs.append((asyncio.get_running_loop().time(), False))
            yield []

        async with running(costly, env=env, vanished=vanished) as bench:
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            for turn in range(50):
                await bench.env.sleep(0.02)
                await bench.rest.patch(CONFIGMAPS, "default", "x", {"data": {"a": str(turn)}})
            await bench.rest.delete(CONFIGMAPS, "default", "x")
            await bench.env.sleep(0.001)
            assert runs[-1][1] is False

    run(scenario())
    alive = [time for time, there in runs if there]
    assert 3 <= len(alive) <= 6
    assert all(later - earlier >= 0.25 for earlier, later in itertools.pairwise(alive))


def test_again_brings_a_key_back_at_its_time() -> None:
    times: list[float] = []

    async def scenario() -> None:
        env: SimulatedEnv | None = None

        def ticking(found: Object, view: View) -> Iterator[Group]:
            if found.head.name == "x":
                assert env is not None
                times.append(env.monotonic())
                yield [Again(60.0)]

        async with running(ticking) as bench:
            env = bench.env
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            await bench.env.sleep(200)

    run(scenario())
    assert [round(time - times[0]) for time in times] == [0, 60, 120, 180]


def test_own_writes_that_are_never_seen_are_given_up_after_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(one_secret_each) as bench:
            await bench.env.sleep(1)
            # From now on a watch tells of a change up to so many seconds late: hardly ever within thirty.
            bench.transport.faults = Faults(delay=4000.0)
            await bench.rest.create(CONFIGMAPS, "default", config_map("x"))
            await bench.env.sleep(12_000)

    with caplog.at_level(logging.WARNING, logger="podling"):
        run(scenario())
    assert "own writes not seen after 30 s" in caplog.text


def test_every_controller_of_the_folder_is_found_once() -> None:
    names = [controller.name for controller in find_controllers()]
    assert len(names) == len(set(names))
    assert {"replicaset", "endpointslice", "garbage-collector", "namespace"} <= set(names)
    assert PODS in [watch.resource for each in find_controllers() for watch in each.watches]
