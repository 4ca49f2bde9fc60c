"""Tasks live and end together, in order."""

import asyncio

import pytest

from podling.supervise import Supervisor


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
