"""Power cuts, kills, full and failing disks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from podling.env import SystemEnv
from podling.storage.interface import StorageError, WriteFailed
from podling.storage.sqlite import Options, SqliteStorage, StorageBroken
from tests.storage.crashes import lost_at_cut_points, lost_by_sigkill
from tests.storage.disks import Operation, Quota, watched


def test_a_power_cut_loses_nothing_that_was_acknowledged() -> None:
    assert lost_at_cut_points("FULL", 200) == []


def test_the_same_cuts_without_any_sync_do_lose_writes() -> None:
    assert lost_at_cut_points("OFF", 20)


def test_a_killed_writer_loses_nothing_that_was_acknowledged() -> None:
    assert lost_by_sigkill(6) == []


async def test_a_full_disk_refuses_writes_and_lets_reads_and_deletions_go_on(tmp_path: Path) -> None:
    quota = Quota(str(tmp_path), 3 << 20)
    with watched("quota", quota) as vfs:
        options = Options(vfs=vfs, reserve_bytes=1 << 20)
        store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv(), options)
        rows = []
        with pytest.raises(WriteFailed, match="full"):
            for i in range(1000):
                rows.append(await store.create(f"core/pods/a/{i}", bytes(20_000)))
        assert len(rows) > 30
        last = store.revision
        assert last == rows[-1].revision
        with pytest.raises(WriteFailed, match="full"):
            await store.create("core/pods/a/x", b"small")
        assert (await store.list("core/pods/a/")).rows == tuple(sorted(rows, key=lambda row: row.key))
        assert await store.get("core/pods/a/3", at=last - 1) == rows[3]
        async with store.subscribe(last) as log:
            gone = await store.delete("core/pods/a/3", expect=rows[3].revision)
            assert [commit.row for commit in await anext(log)] == [gone]
        assert gone.revision == last + 1
        quota.limit = 64 << 20
        await until_written(store)
        await store.close()
    store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv())
    assert await store.get("core/pods/a/3") is None
    assert len((await store.list("core/pods/a/")).rows) == len(rows) - 1 + 1
    await store.close()


async def until_written(store: SqliteStorage) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                await store.create("core/pods/a/after", b"")
            except WriteFailed:
                await asyncio.sleep(0.05)
                continue
            return


async def test_a_full_disk_keeps_the_history_and_does_not_stop_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podling.storage.sqlite.LIMIT_EVERY", 0.01)
    refused = asyncio.Event()
    quota = Quota(str(tmp_path), 64 << 20)

    def fail(operation: Operation) -> None:
        try:
            quota(operation)
        except apsw.FullError:
            loop.call_soon_threadsafe(refused.set)
            raise

    loop = asyncio.get_running_loop()
    with watched("history", fail) as vfs:
        options = Options(vfs=vfs, reserve_bytes=0, history_seconds=-10.0)
        store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv(), options)
        await store.create("core/pods/a/x", b"")
        quota.limit = 0
        running = asyncio.ensure_future(store.run())
        await refused.wait()
        quota.limit = 64 << 20
        async with asyncio.timeout(5):
            while not running.done() and store.compacted < 2:
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        await store.close()


async def test_everything_queued_behind_a_failed_batch_fails_and_gives_its_revisions_back(tmp_path: Path) -> None:
    quota = Quota(str(tmp_path), 64 << 20)
    with watched("queue", quota) as vfs:
        store = await SqliteStorage.open(
            str(tmp_path / "store.db"), SystemEnv(), Options(vfs=vfs, reserve_bytes=0, synchronous="OFF")
        )
        first = await store.create("core/pods/a/first", b"")
        quota.limit = 0
        writes = [asyncio.ensure_future(store.create("core/pods/a/big", bytes(100_000)))]
        await asyncio.sleep(0)
        writes += [asyncio.ensure_future(store.create(f"core/pods/a/{i}", b"")) for i in range(5)]
        writes += [asyncio.ensure_future(store.delete("core/pods/a/first", expect=first.revision))]
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(answer, WriteFailed) for answer in answers)
        assert store.revision == first.revision
        quota.limit = 64 << 20
        assert (await store.delete("core/pods/a/first", expect=first.revision)).revision == first.revision + 1
        await store.close()


async def test_an_io_error_of_a_sync_stops_the_store_and_loses_nothing(tmp_path: Path) -> None:
    broken = False

    def fail(operation: Operation) -> None:
        if broken and operation.kind == "sync":
            raise apsw.IOError("the test's disk is gone")

    path = str(tmp_path / "store.db")
    with watched("failing", fail) as vfs:
        store = await SqliteStorage.open(path, SystemEnv(), Options(vfs=vfs))
        running = asyncio.ensure_future(store.run())
        row = await store.create("core/pods/a/kept", b"1")
        broken = True
        with pytest.raises(StorageBroken, match="has stopped"):
            await store.create("core/pods/a/lost", b"1")
        with pytest.raises(StorageBroken):
            await running
        for refused in (store.create("core/pods/a/x", b""), store.get("core/pods/a/kept")):
            with pytest.raises(StorageError):
                await refused
        await store.close()
        broken = False
    store = await SqliteStorage.open(path, SystemEnv())
    assert await store.get("core/pods/a/kept") == row
    await store.close()
