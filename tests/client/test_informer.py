"""An informer is never wrong, only late: through lost watches, lost history and restarts, on virtual time."""

from __future__ import annotations

import pytest

from podling.api.objects import Object
from podling.client.informer import Informer, Informers
from podling.client.resources import CONFIGMAPS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import SimulatedEnv
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyTransport
from podling.testing.virtualtime import run
from tests.client.servers import api_server, config_map


def _names(informer: Informer) -> list[str]:
    return sorted(each.head.name for each in informer.list("default"))


def test_handlers_are_told_old_and_new() -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(env=env) as server, Supervisor() as tasks:
            transport = server.transport("someone")
            rest = Rest(transport)
            told: list[tuple[object, object]] = []
            informer = Informer(transport, CONFIGMAPS, env, namespace="default")

            def data(each: Object | None) -> object:
                return each and each.view.data.get("a")

            informer.on_change(lambda old, new: told.append((data(old), data(new))))
            await rest.create(CONFIGMAPS, "default", config_map("x", a="1"))
            tasks.start("informer", informer.run())
            await informer.wait_synced()
            changed = await rest.patch(CONFIGMAPS, "default", "x", {"data": {"a": "2"}})
            await informer.wait_revision(changed.revision)
            await rest.delete(CONFIGMAPS, "default", "x")
            await informer.wait_until(lambda: not informer.list())
            assert told == [(None, "1"), ("1", "2"), ("2", None)]

    run(scenario())


@pytest.mark.parametrize(
    "faults",
    [Faults(lost_watch=0.5), Faults(expired_watch=0.5), Faults(lost_watch=0.3, expired_watch=0.3, lost_request=0.3)],
    ids=["lost connections", "lost history", "both"],
)
def test_an_informer_converges_whatever_is_lost(faults: Faults) -> None:
    async def scenario() -> None:
        env = SimulatedEnv(7)
        async with api_server(env=env) as server, Supervisor() as tasks:
            transport: Transport = server.transport("someone")
            rest = Rest(transport)
            informer = Informer(FaultyTransport(transport, env, faults), CONFIGMAPS, env, namespace="default")
            mirror: dict[str, int] = {}

            def follow(old: Object | None, new: Object | None) -> None:
                if old is not None:
                    assert mirror.pop(old.key) == old.revision
                if new is not None:
                    assert new.key not in mirror
                    mirror[new.key] = new.revision

            informer.on_change(follow)
            tasks.start("informer", informer.run())
            for number in range(30):
                await rest.create(CONFIGMAPS, "default", config_map(f"x{number}"))
                if number % 3 == 0:
                    await rest.delete(CONFIGMAPS, "default", f"x{number}")
                await env.sleep(0.05)
            expected = sorted(f"x{number}" for number in range(30) if number % 3)
            await informer.wait_until(lambda: _names(informer) == expected)
            assert sorted(mirror) == sorted(each.key for each in informer.list())

    run(scenario())


def test_a_deleted_and_remade_object_is_told_as_gone_and_new_after_a_relist() -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(env=env) as server, Supervisor() as tasks:
            transport = server.transport("someone")
            rest = Rest(transport)
            faulty = FaultyTransport(transport, env, Faults())
            informer = Informer(faulty, CONFIGMAPS, env, namespace="default")
            told: list[tuple[bool, bool]] = []
            informer.on_change(lambda old, new: told.append((old is not None, new is not None)))
            await rest.create(CONFIGMAPS, "default", config_map("x"))
            tasks.start("informer", informer.run())
            await informer.wait_synced()
            faulty.faults = Faults(expired_watch=1.0)
            await rest.delete(CONFIGMAPS, "default", "x")
            made = await rest.create(CONFIGMAPS, "default", config_map("x"))
            await informer.wait_revision(made.revision)
            assert told == [(False, True), (True, False), (False, True)]

    run(scenario())


def test_one_informer_is_shared_by_all_who_ask_for_a_resource() -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(env=env) as server, Supervisor() as tasks:
            informers = Informers(server.transport("someone"), env)
            early = informers.of(CONFIGMAPS)
            tasks.start("informers", informers.run())
            await early.wait_synced()
            assert informers.of(CONFIGMAPS) is early

    run(scenario())
