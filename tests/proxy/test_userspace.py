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
            answered: list[str] = []
            failed: list[str] = []

            async def client() -> None:
                for _ in range(100):
                    try:
                        answered.append((await world.ask())[0])
                    except OSError as error:
                        failed.append(repr(error))

            async def after_more(count: int) -> None:
                wanted = len(answered) + count
                while len(answered) < wanted and not failed:
                    await asyncio.sleep(0.001)

            async with asyncio.TaskGroup() as group:
                clients = [group.create_task(client()) for _ in range(10)]
                for name in "abc":
                    await after_more(50)
                    world.die(name)
                    await after_more(100)
                    del endpoints[name]
                    await world.mode.apply(Change({VIP: Rule(tuple(endpoints.values()))}))
                assert any(not running.done() for running in clients), "the clients were done before the Pods died"
            assert failed == []

        self.run(scenario)
