"""The durable store passes the suite, in WAL mode with its own threads."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from hypothesis import settings

from podling.env import SystemEnv
from podling.storage.interface import Commit, Storage, StorageError
from podling.storage.sqlite import Options, SqliteStorage
from tests.suites.storage import StorageMachine, StorageSuite, read

LEASE = "coordination.k8s.io/leases/kube-node-lease/n"


class TestSqliteStorage(StorageSuite):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv(), Options(synchronous="OFF"))
        yield store
        await store.close()


class SqliteMachine(StorageMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    async def open(self) -> Storage:
        path = f"{self.folder.name}/store.db"
        options = Options(synchronous="OFF", reserve_bytes=0, index_rows=3)
        return await SqliteStorage.open(path, SystemEnv(), options)

    async def reopen(self, storage: Storage) -> Storage:
        await storage.close()
        return await self.open()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestSqliteAgainstTheModel = SqliteMachine.TestCase
TestSqliteAgainstTheModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


async def test_the_files_are_the_owners_alone(tmp_path: Path) -> None:
    store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv())
    await store.create("core/pods/a/x", b"")
    await store.list("", at=1)
    modes = modes_of(tmp_path)
    await store.close()
    assert modes == {f"store.db{end}": "0o600" for end in ("", "-wal", "-shm", ".lock", ".reserve")}


async def test_a_store_in_use_cannot_be_opened_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    with pytest.raises(StorageError, match="in use by another process"):
        await SqliteStorage.open(path, SystemEnv())
    await store.close()
    await (await SqliteStorage.open(path, SystemEnv())).close()


async def test_a_file_that_is_no_store_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"something else entirely, of some length" * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        await SqliteStorage.open(str(path), SystemEnv())


async def test_leases_keep_no_history(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    row = await store.create(LEASE, b"0")
    for i in range(5):
        row = await store.update(LEASE, b"%d" % (i + 1), expect=row.revision)
    assert await store.get(LEASE, at=3) == row
    assert (await store.list("coordination.k8s.io/leases/", at=3)).rows == (row,)
    assert await read(store, 1, row.revision) == [Commit(row, row)]
    await store.close()
    store = await SqliteStorage.open(path, SystemEnv())
    assert (store.revision, await store.get(LEASE)) == (row.revision, row)
    await store.close()


async def test_a_lease_written_twice_in_one_batch_leaves_one_row(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    made = await store.create(LEASE, b"0")
    async with store.subscribe(made.revision) as log:
        waiting = asyncio.ensure_future(anext(log))
        await asyncio.sleep(0)
        rows = await asyncio.gather(
            *(store.update(LEASE, b"%d" % i, expect=expect) for i, expect in enumerate(range(2, 5)))
        )
        assert [commit.row for commit in await waiting] == rows
    assert log_of(path) == [5]
    gone, again = await asyncio.gather(store.delete(LEASE, expect=5), store.create(LEASE, b"again"))
    await store.close()
    store = await SqliteStorage.open(path, SystemEnv())
    assert log_of(path) == keyed_of(path) == [gone.revision, again.revision] == [6, 7]
    more = await store.update(LEASE, b"more", expect=7)
    assert await read(store, 1, 8) == [Commit(gone, gone), Commit(more, more)]  # not what an earlier life ended with
    await store.compact(8)
    assert log_of(path) == keyed_of(path) == [8]
    await store.close()


async def test_history_is_bounded_by_bytes_and_by_time(tmp_path: Path) -> None:
    store = await SqliteStorage.open(str(tmp_path / "a.db"), SystemEnv(), Options(history_bytes=10_000))
    row = await store.create("core/pods/a/x", bytes(1000))
    for _ in range(40):
        row = await store.update("core/pods/a/x", bytes(1000), expect=row.revision)
    await store.limit_history()
    assert 30 <= store.compacted < store.revision
    await store.close()


class Clock(SystemEnv):
    """Wall-clock time as the test sets it."""

    wall = 1000.0

    def now(self) -> float:
        return self.wall


async def test_history_is_bounded_by_time_to_about_a_second(tmp_path: Path) -> None:
    clock = Clock()
    store = await SqliteStorage.open(str(tmp_path / "b.db"), clock, Options(history_seconds=60.0))
    row = await store.create("core/pods/a/x", b"")  # 2, its time is noted
    row = await store.update("core/pods/a/x", b"1", expect=row.revision)  # 3, within the same second
    clock.wall += 30
    row = await store.update("core/pods/a/x", b"2", expect=row.revision)  # 4, noted
    await store.limit_history()
    assert store.compacted == 0
    clock.wall += 31
    await store.limit_history()
    assert store.compacted == 2
    clock.wall += 30
    await store.limit_history()
    assert store.compacted == 4
    assert await store.get("core/pods/a/x") == row
    await store.close()


async def test_the_last_revision_is_known_though_its_row_and_its_time_are_not(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, Clock())
    row = await store.create("core/pods/a/x", b"")
    row = await store.delete("core/pods/a/x", expect=row.revision)  # 3, noted with 2
    await store.compact(3)
    await store.close()
    assert log_of(path) == []
    store = await SqliteStorage.open(path, Clock())
    assert (store.revision, store.compacted) == (3, 3)
    assert (await store.create("core/pods/a/y", b"")).revision == 4
    await store.close()


async def test_compaction_leaves_exactly_the_rows_that_a_read_can_ask_for(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    kept = await store.create("core/pods/a/kept", b"0")  # 2
    gone = await store.create("core/pods/a/gone", b"0")  # 3
    kept = await store.update("core/pods/a/kept", b"1", expect=kept.revision)  # 4
    await store.pin("fork", 4)
    kept = await store.update("core/pods/a/kept", b"2", expect=kept.revision)  # 5
    gone = await store.delete("core/pods/a/gone", expect=gone.revision)  # 6
    kept = await store.update("core/pods/a/kept", b"3", expect=kept.revision)  # 7
    await store.compact(7)
    assert log_of(path) == [3, 4, 6, 7]
    await store.close()
    store = await SqliteStorage.open(path, SystemEnv())
    assert (await store.list("")).rows == (kept,)
    await store.pin("fork", None)
    await store.compact(7)
    await store.update("core/pods/a/kept", b"4", expect=kept.revision)  # 8
    await store.compact(8)
    await store.compact(8)
    assert log_of(path) == [8]
    await store.close()


async def test_a_deletion_that_was_compacted_away_still_counts_as_a_revision(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    made = await store.create("core/pods/a/x", b"")
    await store.delete("core/pods/a/x", expect=made.revision)
    await store.compact(3)
    assert log_of(path) == []
    await store.close()
    store = await SqliteStorage.open(path, SystemEnv())
    assert (store.revision, store.compacted) == (3, 3)
    assert (await store.create("core/pods/a/x", b"")).revision == 4
    await store.close()


def modes_of(folder: Path) -> dict[str, str]:
    return {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()}


def log_of(path: str) -> list[int]:
    """The revisions the file's log holds."""
    with apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return [revision for (revision,) in connection.execute("SELECT revision FROM log ORDER BY revision")]


def keyed_of(path: str) -> list[int]:
    """The revisions that the file's index leads to."""
    with apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return [revision for (revision,) in connection.execute("SELECT revision FROM keyed ORDER BY revision")]
