"""Tasks live and end together, in order."""

import asyncio

import pytest

from podling.supervise import Supervisor, for_each


async def test_tasks_are_cancelled_in_order_of_birth():
    ended: list[str] = []

    async def run(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Supervisor() as tasks:
        for name in "abcdef":
            tasks.start(name, run(name))
        await asyncio.sleep(0)
    assert ended == list("abcdef")


async def test_the_failure_of_one_is_the_failure_of_all():
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        async with Supervisor() as tasks:
            tasks.start("lives", asyncio.Event().wait())
            tasks.start("fails", fail())
            await tasks.wait()


async def test_finish_lets_the_waiting_one_leave():
    async with Supervisor() as tasks:
        lives = tasks.start("lives", asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(tasks.finish)
        await tasks.wait()
    assert lives.cancelled()


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100])
async def test_every_item_is_acted_on_once_and_never_too_many_at_a_time(count: int) -> None:
    acted: list[int] = []
    busy = most = 0

    async def act(item: int) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        acted.append(item)
        busy -= 1

    await for_each(range(count), act)
    assert sorted(acted) == list(range(count))
    assert most == min(count, 8)
