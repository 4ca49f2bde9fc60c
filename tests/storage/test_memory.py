"""The store in memory passes the suite, and is the same in every run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from podling.storage.interface import Compacted, Storage
from podling.storage.memory import MemoryStorage
from tests.suites.storage import StorageMachine, StorageSuite


class TestMemoryStorage(StorageSuite):
    @pytest.fixture
    async def storage(self) -> AsyncIterator[Storage]:
        store = MemoryStorage()
        yield store
        await store.close()


class MemoryMachine(StorageMachine):
    async def open(self) -> Storage:
        return MemoryStorage()


TestMemoryAgainstTheModel = MemoryMachine.TestCase
TestMemoryAgainstTheModel.settings = settings(max_examples=60, stateful_step_count=30)


async def test_history_is_bounded_by_bytes() -> None:
    store = MemoryStorage(history_bytes=10_000)
    row = await store.create("core/pods/a/x", bytes(1000))
    for _ in range(40):
        row = await store.update("core/pods/a/x", bytes(1000), expect=row.revision)
    assert 20 < store.compacted < store.revision
    assert (await store.list("", at=store.compacted)).rows
    with pytest.raises(Compacted):
        await store.get("core/pods/a/x", at=2)


@pytest.mark.looptime
async def test_on_simulated_time_a_store_works_and_takes_none() -> None:
    store = MemoryStorage()
    await asyncio.gather(*(store.create(f"core/pods/a/{i}", b"") for i in range(100)))
    assert asyncio.get_running_loop().time() == 0
    assert store.revision == 101
