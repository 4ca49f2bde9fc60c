"""The durable store: one SQLite file in WAL mode, one writer thread, commits in groups (DESIGN 10).

The loop decides and allots revisions (`ledger`), the writer thread makes whole batches durable, and what is live is
answered from memory. Old revisions are read over a second, read-only connection in a thread of its own. A batch that
fails is rolled back and nothing of it was ever seen. A full disk refuses writes but never reads or deletions. After
an I/O error nobody knows what the disk holds: then everything is refused and `run` ends, which stops the server.
"""

from __future__ import annotations

import asyncio
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
        return await self._read(lambda file: file.get(key, at))

    async def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int | None = None) -> Page:
        self._check(at)
        if at is None or at == self.revision:
            return self._ledger.page(prefix, after, limit)
        if prefix.startswith(self._options.forgetful):
            return msgspec.structs.replace(self._ledger.page(prefix, after, limit), revision=at)
        return await self._read(lambda file: file.page(prefix, at, after, limit))

    def subscribe(self, since: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Commit]]]:
        self._check()
        return self._feed.subscribe(since)

    async def compact(self, revision: int) -> None:
        self._check(revision)
        if revision <= self._mark:
            return
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
        forget = [row.key for row in rows if row.version > 1 and row.key.startswith(self._options.forgetful)]
        now = self._env.now()
        self._writer.submit(lambda: self._file.append(rows, forget, now), lambda _, error: finished(self._judge(error)))

    def _publish(self, commits: Sequence[Commit]) -> None:
        for row, previous in ((commit.row, commit.previous) for commit in commits):
            self._live_bytes += (0 if row.deleted else len(row.value)) - (len(previous.value) if previous else 0)
        self._feed.publish(commits)

    def _judge(self, error: Exception | None) -> StorageError | None:
        """What a failed batch means, in words for a user."""
        if error is None:
            return None
        code = getattr(error, "extendedresult", 0)
        if isinstance(error, apsw.FullError) or code in _FULL_IN_DISGUISE:
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


class _Opened(NamedTuple):
    """What the writer thread found in the file."""

    writer: Worker
    file: SqliteFile
    lock: int
    live: Sequence[Row]
    revision: int
    mark: int


def _open(path: str, options: Options, writer: Worker) -> _Opened:
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file = SqliteFile(path, synchronous=options.synchronous, vfs=options.vfs)
        return _Opened(writer, file, lock, tuple(file.live()), file.revision(), file.mark())
    except BaseException as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise StorageError(f"{path} is in use by another process") from error
        if isinstance(error, apsw.Error):
            raise StorageError(f"{path} cannot be opened: {error}") from error
        raise
