"""The store in memory: for tests, simulation and clusters that need not outlive their process.

Commits happen in a loop callback and nothing here knows a thread or a clock, so a run on a simulated loop is the
same every time (DESIGN 20).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from podling.storage.feed import Feed
from podling.storage.groupcommit import Finished, GroupCommit
from podling.storage.history import History
from podling.storage.interface import Commit, Page, Row, StorageError
from podling.storage.ledger import Ledger


class MemoryStorage:
    """`Storage` without a disk. Superseded values are kept up to `history_bytes`, then the older half goes."""

    def __init__(self, history_bytes: int = 64 << 20) -> None:
        self._ledger = Ledger()
        self._history = History()
        self._commits = GroupCommit(self._ledger, self._write, self._publish)
        self._feed = Feed(self._read_log, lambda: self.revision, lambda: self.compacted)
        self._history_bytes = history_bytes
        self._closed = False

    @property
    def revision(self) -> int:
        return self._ledger.revision

    @property
    def compacted(self) -> int:
        return self._history.mark

    async def create(self, key: str, value: bytes) -> Row:
        self._open()
        return await self._commits.put(key, lambda: self._ledger.create(key, value))

    async def update(self, key: str, value: bytes, *, expect: int) -> Row:
        self._open()
        return await self._commits.put(key, lambda: self._ledger.update(key, value, expect))

    async def delete(self, key: str, *, expect: int, last: bytes | None = None) -> Row:
        self._open()
        return await self._commits.put(key, lambda: self._ledger.delete(key, expect, last))

    async def get(self, key: str, *, at: int | None = None) -> Row | None:
        self._open(at)
        return self._ledger.get(key) if at is None else self._history.get(key, at)

    async def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int | None = None) -> Page:
        self._open(at)
        if at is None or at == self.revision:
            return self._ledger.page(prefix, after, limit)
        return self._history.page(prefix, at, after, limit)

    def subscribe(self, since: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Commit]]]:
        self._open()
        return self._feed.subscribe(since)

    async def compact(self, revision: int) -> None:
        self._open(revision)
        self._history.compact(revision)

    async def pin(self, name: str, revision: int | None) -> None:
        self._open(revision)
        if revision is None:
            self._history.pins.pop(name, None)
        else:
            self._history.check(revision)
            self._history.pins[name] = revision

    async def run(self) -> None:
        """Nothing to keep up; for ever, as the durable store's."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._commits.drained()
            self._feed.close(StorageError("the store is closed"))

    def _open(self, at: int | None = None) -> None:
        if self._closed:
            raise StorageError("the store is closed")
        if at is not None and at > self.revision:
            raise StorageError(f"revision {at} is in the future, the last one is {self.revision}")

    def _write(self, rows: Sequence[Row], finished: Finished) -> None:
        finished(None)

    def _publish(self, commits: Sequence[Commit]) -> None:
        self._history.append(commits)
        self._feed.publish(commits)
        while self._history.superseded > self._history_bytes and self.compacted < self.revision:
            self._history.compact((self.compacted + self.revision + 1) // 2)

    async def _read_log(self, since: int, limit: int) -> tuple[Sequence[Commit], int]:
        return self._history.since(since, limit)
