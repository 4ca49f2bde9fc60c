"""The way from keys to revisions follows the log in steps: nobody's answer depends on how far it has come."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from podling.env import SystemEnv
from podling.storage.history import History
from podling.storage.interface import Commit, Row, WriteFailed
from podling.storage.sqlite import Options, SqliteStorage, StorageBroken
from podling.storage.sqlitefile import SqliteFile
from tests.storage.crashes import value_of
from tests.storage.disks import Operation, Quota, watched
from tests.storage.histories import Answers, answers, appended, past, rows_of

POD = "core/pods/a/"


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_the_same_however_far_the_index_has_come(tmp_path: Path, seed: int) -> None:
    rows = rows_of(60, seed)
    last = rows[-1].revision
    file = SqliteFile(str(tmp_path / "store.db"), synchronous="OFF")
    appended(file, rows)
    expected = as_in_memory(rows, 1)
    for indexed in (0, 1, 17, 40, last - 1, last):
        file.index(indexed)
        assert file.indexed() == indexed
        assert answers(file, 1, last) == expected
    file.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("indexed", [0, 20])
def test_compaction_is_right_though_its_rows_are_not_indexed(tmp_path: Path, seed: int, indexed: int) -> None:
    rows = rows_of(60, seed)
    last, mark = rows[-1].revision, 40
    path = str(tmp_path / "store.db")
    file = SqliteFile(path, synchronous="OFF")
    appended(file, rows)
    file.index(indexed)
    file.set_mark(mark)
    file.compact_slice(0, mark, mark)
    assert answers(file, mark, last) == as_in_memory(rows, mark)
    file.index(last)
    assert answers(file, mark, last) == as_in_memory(rows, mark)
    file.close()
    with closing(apsw.Connection(path)) as connection:
        log = "SELECT key, revision, deleted FROM log ORDER BY key, revision"
        assert list(connection.execute(log)) == list(connection.execute("SELECT * FROM keyed"))


def as_in_memory(rows: list[Row], mark: int) -> Answers:
    """The same answers from the history that the memory store has."""
    history, live = History(), dict[str, Row]()
    for row in rows:
        history.append([Commit(row, live.pop(row.key, None))])
        if not row.deleted:
            live[row.key] = row
    history.compact(mark)
    gets, pages = past(history, mark, rows[-1].revision)
    commits, _ = history.since(mark, len(rows) + 1)
    return gets, pages, list(commits), [live[key] for key in sorted(live)]


async def test_the_past_is_read_right_after_it_was_written(tmp_path: Path) -> None:
    store = await SqliteStorage.open(str(tmp_path / "store.db"), SystemEnv())
    row = await store.create(POD + "x", b"0")
    for number in range(1, 6):
        old, row = row, await store.update(POD + "x", b"%d" % number, expect=row.revision)
        assert await store.get(POD + "x", at=old.revision) == old
        assert (await store.list("core/pods/", at=old.revision)).rows == (old,)
    gone = await store.delete(POD + "x", expect=row.revision)
    await store.create(POD + "y", b"")
    assert await store.get(POD + "x", at=row.revision) == row
    assert await store.get(POD + "x", at=gone.revision) is None
    assert (await store.list("core/pods/", at=gone.revision, limit=1)).rows == ()
    async with store.subscribe(1) as log:
        commits = await anext(log)
    assert commits[5] == Commit(row, old)
    assert commits[6] == Commit(gone, row)
    await store.close()


async def test_writes_alone_take_the_index_along(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv(), Options(synchronous="OFF", index_rows=10))
    for turn in range(20):
        await asyncio.gather(*(store.create(f"{POD}{turn}-{i}", b"") for i in range(8)))
    await asyncio.gather(*(store.create(f"{POD}burst-{i}", b"") for i in range(200)))
    await store.close()
    indexed, keyed = state_of(path)
    assert store.revision - 200 - 10 < indexed == keyed + 1 <= store.revision


async def test_a_killed_writers_rows_are_all_found_by_their_keys(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    keys = await asyncio.to_thread(written_until_killed, path, 200)
    indexed, _ = state_of(path)
    store = await SqliteStorage.open(path, SystemEnv())
    last = store.revision
    assert indexed < last  # or the test shows nothing
    assert state_of(path) == (last, last - 1)
    await store.create("core/pods/after/x", b"")
    for key in keys:
        row = await store.get(key, at=last)
        assert row is not None and row.value == value_of(key)
    assert len((await store.list("core/pods/0/", at=last)).rows) == last - 1
    await store.close()


def written_until_killed(path: str, count: int) -> list[str]:
    """The keys that a process had acknowledged when it was killed, `count` at least."""
    command = [sys.executable, "-m", "tests.storage.crashes", path, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        keys = [writer.stdout.readline().decode().strip() for _ in range(count)]
        writer.send_signal(signal.SIGKILL)
        return keys + [line.decode() for line in writer.stdout.read().split(b"\n")[:-1]]


class BadForTheIndex:
    """A disk on which everything is written but a step of the index: that meets `error`."""

    def __init__(self, error: apsw.Error) -> None:
        self.error: apsw.Error | None = error
        self.failed, self._indexing = 0, False

    def watch(self, connection: apsw.Connection) -> None:
        def executes(_: object, statement: str, __: object) -> bool:
            self._indexing = statement.startswith("UPDATE meta") and "'indexed'" in statement
            return True

        connection.exec_trace = executes

    def __call__(self, operation: Operation) -> None:
        if self.error is not None and self._indexing and operation.kind == "write":
            self.failed += 1
            raise self.error


@contextmanager
def bad_for_the_index(error: apsw.Error) -> Iterator[BadForTheIndex]:
    disk = BadForTheIndex(error)
    apsw.connection_hooks.append(disk.watch)
    try:
        with watched("bad-for-the-index", disk):
            yield disk
    finally:
        apsw.connection_hooks.remove(disk.watch)


async def test_a_disk_too_full_for_the_index_loses_nothing_and_refuses_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    with bad_for_the_index(apsw.FullError("no space left on the test's disk")) as disk:
        options = Options(vfs="bad-for-the-index", index_rows=10)
        store = await SqliteStorage.open(path, SystemEnv(), options)
        rows = [await store.create(f"{POD}{i:02}", b"%d" % i) for i in range(45)]
        assert disk.failed
        gone = await store.delete(rows[3].key, expect=rows[3].revision)
        assert await store.get(rows[3].key, at=rows[-1].revision) == rows[3]
        assert (await store.list(POD, at=rows[20].revision, limit=5)).remaining == 21 - 5
        async with store.subscribe(rows[-2].revision) as log:
            assert await anext(log) == [Commit(rows[-1], None), Commit(gone, rows[3])]
        await store.close()
        assert state_of(path) == (0, 0)
        store = await SqliteStorage.open(path, SystemEnv(), options)
        assert (await store.list(POD)).rows == (*rows[:3], *rows[4:])
        disk.error = None
        more = [await store.create(f"{POD}more-{i:02}", b"") for i in range(10)]
        await store.close()
        indexed, keyed = state_of(path)
        assert more[-1].revision - 10 < indexed == keyed + 1


async def test_an_io_error_of_a_step_of_the_index_stops_the_store_and_loses_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    rows = [await store.create(f"{POD}0", b"")]
    await store.close()
    with bad_for_the_index(apsw.IOError("the test's disk is gone")) as disk:
        disk.error, error = None, disk.error
        store = await SqliteStorage.open(path, SystemEnv(), Options(vfs="bad-for-the-index", index_rows=5))
        disk.error = error
        running = asyncio.ensure_future(store.run())
        rows += [await store.create(f"{POD}{i}", b"") for i in range(1, 6)]
        with pytest.raises(StorageBroken, match="has stopped"):
            await running
        for refused in (store.create(f"{POD}x", b""), store.get(f"{POD}0", at=2)):
            with pytest.raises(StorageBroken):
                await refused
        await store.close()
    store = await SqliteStorage.open(path, SystemEnv())
    assert (await store.list(POD, at=rows[-2].revision)).rows == tuple(rows[:-1])
    assert (await store.list(POD)).rows == tuple(rows)
    await store.close()


async def test_a_full_disk_is_opened_and_read_though_the_index_lags(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = await SqliteStorage.open(path, SystemEnv())
    rows = [await store.create(f"{POD}{i:02}", bytes(1000)) for i in range(30)]
    await store.close()
    with watched("full", Quota(str(tmp_path), 0)) as vfs:
        store = await SqliteStorage.open(path, SystemEnv(), Options(vfs=vfs, reserve_bytes=0))
        assert (await store.list(POD)).rows == tuple(rows)
        assert (await store.list(POD, at=rows[9].revision)).rows == tuple(rows[:10])
        with pytest.raises(WriteFailed, match="full"):
            await store.create(f"{POD}x", b"")
        with pytest.raises(WriteFailed, match="full"):
            await store.compact(rows[9].revision)
        assert (await store.list(POD, at=rows[9].revision)).rows == tuple(rows[:10])
        await store.close()
    assert state_of(path) == (1, 0)


def state_of(path: str) -> tuple[int, int]:
    """The mark of the index, and how many revisions it leads to."""
    with closing(apsw.Connection(path)) as connection:
        query = "SELECT (SELECT value FROM meta WHERE name = 'indexed'), (SELECT count(*) FROM keyed)"
        return next(iter(connection.execute(query)))
