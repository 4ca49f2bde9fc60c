"""Mode userspace passes the suite, and loses no connection to an endpoint that is gone."""

from __future__ import annotations

import asyncio

import pytest

from podling.proxy.services import Change, Rule
from tests.suites.proxy import VIP, ProxySuite, World

pytestmark = pytest.mark.real


class TestUserspace(ProxySuite):
    mode = "userspace"

    def test_no_connection_is_lost_while_pods_die_before_their_endpoints_leave(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = {name: await world.pod(name) for name in "abcd"}
            await world.mode.apply(Change({VIP: Rule(tuple(endpoints.values()))}))
            failed: list[str] = []

            async def client() -> None:
                for _ in range(100):
                    try:
                        await world.ask()
                    except OSError as error:
                        failed.append(repr(error))

            async with asyncio.TaskGroup() as group:
                clients = [group.create_task(client()) for _ in range(10)]
                for name in "abc":
                    await asyncio.sleep(0.02)
                    world.die(name)
                    await asyncio.sleep(0.05)
                    del endpoints[name]
                    await world.mode.apply(Change({VIP: Rule(tuple(endpoints.values()))}))
                assert any(not running.done() for running in clients), "the clients were done before the Pods died"
            assert failed == []

        self.run(scenario)
