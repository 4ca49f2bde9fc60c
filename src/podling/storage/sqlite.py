"""The durable store: one SQLite file in WAL mode, one writer thread, commits in groups (DESIGN 10).

The loop decides and allots revisions (`ledger`), the writer thread makes whole batches durable, and what is live is
answered from memory. Old revisions are read over a second, read-only connection in a thread of its own. A batch that
fails is rolled back and nothing of it was ever seen. A full disk refuses writes but never reads or deletions. After
an I/O error nobody knows what the disk holds: then everything is refused and `run` ends, which stops the server.
The way from keys to their revisions is not written with a batch but in steps between batches, when enough has come
together or a reader of the past needs it; where the disk has no room for it, that reader is only slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import apsw
import msgspec

from podling.env import Env
from podling.storage.feed import Feed
from podling.storage.groupcommit import Finished, GroupCommit
from podling.storage.interface import Commit, Page, Row, StorageError, WriteFailed
from podling.storage.ledger import Ledger
from podling.storage.reserve import Reserve
from podling.storage.sqlitefile import SqliteFile
from podling.storage.worker import Worker

T = TypeVar("T")

Synchronous = Literal["FULL", "NORMAL", "OFF"]

COMPACTION_SLICE = 2_000
"""Revisions looked at in one go; batches of writes come between."""
PATIENCE = 0.002
"""Seconds a batch waits at most for as many writers as the last one had."""
INDEX_ROWS = 1_000
"""Revisions in one step of the index: as many as keep neighbours on one page, and the writer for some milliseconds."""
LIMIT_EVERY = 60.0
"""Seconds between two looks at the limits of history."""
# The memory of the WAL index could not grow: also a full disk.
_FULL_IN_DISGUISE = (apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMMAP)


class StorageBroken(StorageError):
    """A commit or its sync met an I/O error: the server has to stop, what was acknowledged is safe."""


class Options(msgspec.Struct, frozen=True):
    """`synchronous` as the SQLite pragma: FULL loses nothing that was acknowledged, NORMAL the last moments on a
    power cut. `forgetful`: prefixes of keys of which only the present is kept."""

    synchronous: Synchronous = "FULL"
    history_seconds: float = 7 * 86400.0
    history_bytes: int = 1 << 30
    reserve_bytes: int = 4 << 20
    forgetful: tuple[str, ...] = ("coordination.k8s.io/leases/",)
    vfs: str | None = None
    """A registered apsw VFS, for tests: it gets one connection, exclusively."""
    index_rows: int = INDEX_ROWS


class SqliteStorage:
    """`Storage` in a file. Made by `open`; `run` has to be supervised; `close` ends the threads."""

    def __init__(self, path: str, env: Env, options: Options, opened: _Opened) -> None:
        self._path, self._env, self._options = path, env, options
        self._writer, self._file = opened.writer, opened.file
        self._lock: int | None = opened.lock
        self._reader: Worker | None = None
        self._reading: SqliteFile | None = None
        self._ledger = Ledger(opened.live, opened.revision)
        self._mark = opened.mark
        self._indexed = opened.indexed
        self._index_at = opened.indexed + options.index_rows
        self._live_bytes = sum(len(row.value) for row in opened.live)
        self._commits = GroupCommit(self._ledger, self._write, self._publish, patience=PATIENCE)
        self._feed = Feed(self._read_log, lambda: self.revision, lambda: self.compacted)
        self._reserve = Reserve(f"{path}.reserve", options.reserve_bytes)
        self._reserve.take()
        self._full_since: float | None = None
        self._refusal: StorageError | None = None
        self._broken = asyncio.Event()

    @classmethod
    async def open(cls, path: str, env: Env, options: Options | None = None) -> SqliteStorage:
        """Make or open the file, whose folder exists. Raises StorageError where another process has it."""
        options = options or Options()
        writer = Worker("podling-storage")
        try:
            opened = await writer.call(lambda: _open(path, options, writer))
        except BaseException:
            await writer.stop()
            raise
        return cls(path, env, options, opened)

    @property
    def revision(self) -> int:
        return self._ledger.revision

    @property
    def compacted(self) -> int:
        return self._mark

    async def create(self, key: str, value: bytes) -> Row:
        if self._troubled:
            await self._room()
        return await self._commits.put(key, lambda: self._ledger.create(key, value))

    async def update(self, key: str, value: bytes, *, expect: int) -> Row:
        if self._troubled:
            await self._room()
        return await self._commits.put(key, lambda: self._ledger.update(key, value, expect))

    async def delete(self, key: str, *, expect: int, last: bytes | None = None) -> Row:
        self._check()
        return await self._commits.put(key, lambda: self._ledger.delete(key, expect, last))

    async def get(self, key: str, *, at: int | None = None) -> Row | None:
        self._check(at)
        if at is None or at == self.revision or key.startswith(self._options.forgetful):
            return self._ledger.get(key)
        await self._index(at)
        return await self._read(lambda file: file.get(key, at))

    async def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int | None = None) -> Page:
        self._check(at)
        if at is None or at == self.revision:
            return self._ledger.page(prefix, after, limit)
        if prefix.startswith(self._options.forgetful):
            return msgspec.structs.replace(self._ledger.page(prefix, after, limit), revision=at)
        await self._index(at)
        return await self._read(lambda file: file.page(prefix, at, after, limit))

    def subscribe(self, since: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Commit]]]:
        self._check()
        return self._feed.subscribe(since)

    async def compact(self, revision: int) -> None:
        self._check(revision)
        if revision <= self._mark:
            return
        await self._index(revision)
        await self._call(lambda: self._file.set_mark(revision))
        self._mark = max(self._mark, revision)
        for first in range(0, revision, COMPACTION_SLICE):
            last = min(first + COMPACTION_SLICE, revision)
            await self._call(partial(self._file.compact_slice, first, last, revision))

    async def pin(self, name: str, revision: int | None) -> None:
        self._check(revision)
        await self._call(lambda: self._file.set_pin(name, revision))

    async def run(self) -> None:
        """Keep the history within its limits, for ever. Raises StorageBroken when the store had to stop."""
        while not self._broken.is_set():
            try:
                async with asyncio.timeout(LIMIT_EVERY):
                    await self._broken.wait()
            except TimeoutError:
                with contextlib.suppress(WriteFailed):  # the disk is full: the next look tries again
                    await self.limit_history()
        assert self._refusal is not None
        raise self._refusal

    async def close(self) -> None:
        await self._commits.drained()
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        self._refusal = self._refusal or StorageError("the store is closed")
        self._feed.close(self._refusal)
        if self._reader is not None:
            if self._reading is not None:
                await self._reader.call(self._reading.close)
            await self._reader.stop()
        try:
            await self._writer.call(self._file.close)
        except apsw.Error:
            # The last checkpoint failed: the log beside the file still holds everything.
            if not isinstance(self._refusal, StorageBroken):
                raise
        finally:
            await self._writer.stop()
            os.close(lock)

    # Writing.

    def _write(self, rows: Sequence[Row], finished: Finished) -> None:
        if self._refusal is not None:
            finished(self._refusal)
            return
        forget, now = self._replaced(rows), self._env.now()

        def done(_: None, error: Exception | None) -> None:
            finished(self._judge(error))
            # Those who wait for the batch are answered before the index is gone on with.
            if self.revision >= self._index_at:
                self._index_behind_the_batch()

        self._writer.submit(lambda: self._file.append(rows, forget, now), done)

    def _replaced(self, rows: Sequence[Row]) -> Sequence[int]:
        """The revisions of which nothing is kept once the batch is written. No other is under way, so that what is
        committed is what the first row of a key in it replaces."""
        newest: dict[str, Row] = {}
        replaced = []
        for row in rows:
            if not row.key.startswith(self._options.forgetful):
                continue
            head = newest.get(row.key) or self._ledger.get(row.key)
            if row.version > 1 and head is not None:
                replaced.append(head.revision)
            newest[row.key] = row
        return replaced

    def _publish(self, commits: Sequence[Commit]) -> None:
        for row, previous in ((commit.row, commit.previous) for commit in commits):
            self._live_bytes += (0 if row.deleted else len(row.value)) - (len(previous.value) if previous else 0)
        self._feed.publish(commits)

    def _judge(self, error: Exception | None) -> StorageError | None:
        """What a failed batch means, in words for a user."""
        if error is None:
            return None
        if _is_full(error):
            self._reserve.give()
            self._full_since = self._env.monotonic()
            return self._full()
        if isinstance(error, apsw.IOError | apsw.CorruptError | apsw.NotADBError):
            self._refusal = StorageBroken(f"the store {self._path} failed and has stopped: {error}")
            self._feed.close(self._refusal)
            self._broken.set()
            return self._refusal
        return WriteFailed(f"nothing was written: {error}")

    def _full(self) -> WriteFailed:
        return WriteFailed(f"the disk of {self._path} is full: nothing was written; objects can still be deleted")

    @property
    def _troubled(self) -> bool:
        return self._full_since is not None or self._refusal is not None

    async def _room(self) -> None:
        """Refuses while the disk is full; looks once a second whether the reserve can be taken back."""
        self._check()
        if self._full_since is None:
            return
        if self._env.monotonic() - self._full_since < 1.0:
            raise self._full()
        self._full_since = self._env.monotonic()
        if not await self._writer.call(self._reserve.take):
            raise self._full()
        self._full_since = None

    # The index: what is not in it yet is committed all the same, so that a step may fail and be done later.

    def _index_behind_the_batch(self) -> None:
        last = min(self._indexed + self._options.index_rows, self.revision)
        # Not before as many again have come, should this step fail.
        self._index_at = self.revision + self._options.index_rows

        def done(_: None, error: Exception | None) -> None:
            if error is None:
                self._has_indexed(last)
            else:
                self._has_not_indexed(error)

        self._writer.submit(lambda: self._file.index(last), done)

    async def _index(self, last: int) -> None:
        """Up to `last`, where the disk has room for it, in steps; batches of writes come between."""
        while self._indexed < last:
            step = min(self._indexed + self._options.index_rows, last)
            try:
                await self._writer.call(partial(self._file.index, step))
            except apsw.Error as error:
                self._has_not_indexed(error)
                last = self._indexed
            else:
                self._has_indexed(step)
            self._check()

    def _has_indexed(self, last: int) -> None:
        if last <= self._indexed:
            return
        self._indexed = last
        self._index_at = last + self._options.index_rows
        if self.revision >= self._index_at:
            self._index_behind_the_batch()

    def _has_not_indexed(self, error: Exception) -> None:
        """Nobody's write is lost with it, so a full disk is left to the next write to find."""
        if self._refusal is None and not _is_full(error):
            self._judge(error)

    # Reading, and the limits of history.

    async def _read(self, question: Callable[[SqliteFile], T]) -> T:
        """Ask the read-only connection, in its thread."""
        if self._options.vfs is not None:
            return await self._call(lambda: question(self._file))
        if self._reader is None:
            self._reader = Worker("podling-storage-reader")

        def ask() -> T:
            if self._reading is None:
                self._reading = SqliteFile(self._path, read_only=True)
            return question(self._reading)

        return await self._reader.call(ask)

    async def _call(self, job: Callable[[], T]) -> T:
        """Do something in the writer's thread, between two batches."""
        try:
            return await self._writer.call(job)
        except apsw.Error as error:
            raise self._judge(error) or error from error

    async def _read_log(self, since: int, limit: int) -> tuple[Sequence[Commit], int]:
        last = self.revision
        await self._index(last)
        return await self._read(lambda file: file.since(since, last, limit))

    async def limit_history(self) -> None:
        """Compact what is older than `history_seconds`, then half of the rest until `history_bytes` hold it."""
        before = self._env.now() - self._options.history_seconds
        await self.compact(max(self._mark, await self._call(lambda: self._file.revision_before(before))))
        while self._mark < self.revision and await self._history_is_too_large():
            await self.compact((self._mark + self.revision + 1) // 2)

    async def _history_is_too_large(self) -> bool:
        limit = self._live_bytes + self._options.history_bytes
        if await self._call(self._file.used_bytes) <= limit:
            return False
        return await self._read(lambda file: file.log_bytes()) > limit

    def _check(self, at: int | None = None) -> None:
        if self._refusal is not None:
            raise self._refusal
        if at is not None and at > self.revision:
            raise StorageError(f"revision {at} is in the future, the last one is {self.revision}")


def _is_full(error: Exception) -> bool:
    return isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) in _FULL_IN_DISGUISE


class _Opened(NamedTuple):
    """What the writer thread found in the file."""

    writer: Worker
    file: SqliteFile
    lock: int
    live: Sequence[Row]
    revision: int
    mark: int
    indexed: int


def _open(path: str, options: Options, writer: Worker) -> _Opened:
    with contextlib.ExitStack() as undo:
        lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        undo.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file = SqliteFile(path, synchronous=options.synchronous, vfs=options.vfs)
            undo.callback(file.close)
            revision = file.revision()
            with contextlib.suppress(apsw.FullError):  # the batches' steps do it when there is room again
                file.index(revision)
            opened = _Opened(writer, file, lock, tuple(file.live()), revision, file.mark(), file.indexed())
        except BlockingIOError as error:
            raise StorageError(f"{path} is in use by another process") from error
        except apsw.Error as error:
            raise StorageError(f"{path} cannot be opened: {error}") from error
        undo.pop_all()
        return opened
