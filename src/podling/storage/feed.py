"""Subscriptions to the commits of a store: from the log while behind, from memory while abreast.

A subscriber that does not keep up is never allowed to hold memory: its buffer is dropped and it reads the log
again from where it stood, just as one that entered with an old revision does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from podling.storage.interface import Commit, Compacted, StorageError

BUFFERED = 10_000
"""Commits a subscriber may lag behind before it goes back to the log."""
SLICE = 500
"""Rows read from the log at once."""

ReadLog = Callable[[int, int], Awaitable[tuple[Sequence[Commit], int]]]
"""(since, limit) → the next commits and the revision up to which the log was read; raises Compacted."""


class Feed:
    """What a store publishes to. `revision` and `compacted` ask the store."""

    def __init__(self, read_log: ReadLog, revision: Callable[[], int], compacted: Callable[[], int]) -> None:
        self._read_log, self._revision, self._compacted = read_log, revision, compacted
        self._subscribers: dict[_Subscriber, None] = {}
        self._closed: StorageError | None = None

    def publish(self, commits: Sequence[Commit]) -> None:
        for subscriber in self._subscribers:
            subscriber.offer(commits)

    def close(self, error: StorageError) -> None:
        """Every subscriber gets `error` after what it has not read yet."""
        self._closed = error
        for subscriber in self._subscribers:
            subscriber.news.set()

    @asynccontextmanager
    async def subscribe(self, since: int) -> AsyncIterator[AsyncIterator[Sequence[Commit]]]:
        if since < self._compacted():
            raise Compacted(since, self._compacted())
        subscriber = _Subscriber(since, self)
        self._subscribers[subscriber] = None
        try:
            yield subscriber
        finally:
            del self._subscribers[subscriber]

    async def next_of(self, subscriber: _Subscriber) -> Sequence[Commit]:
        """What `subscriber` has not read yet, waiting for it where there is nothing."""
        while True:
            if subscriber.buffer:
                return subscriber.take()
            if self._closed is not None:
                raise self._closed
            if not subscriber.behind:
                subscriber.news.clear()
                await subscriber.news.wait()
            elif subscriber.position >= self._revision():
                subscriber.behind = False
            else:
                commits, subscriber.position = await self._read_log(subscriber.position, SLICE)
                if commits:
                    return commits


class _Subscriber:
    """Where one reader stands. `behind`: it reads the log, and nothing is buffered for it. Waiting for the next
    batch may be cancelled without losing anything."""

    def __init__(self, since: int, feed: Feed) -> None:
        self._feed = feed
        self.position = since
        self.behind = True
        self.buffer: deque[Sequence[Commit]] = deque()
        self.news = asyncio.Event()
        self._buffered = 0

    def __aiter__(self) -> _Subscriber:
        return self

    async def __anext__(self) -> Sequence[Commit]:
        return await self._feed.next_of(self)

    def offer(self, commits: Sequence[Commit]) -> None:
        if self.behind:
            return
        self.buffer.append(commits)
        self._buffered += len(commits)
        if self._buffered > BUFFERED:
            self.buffer.clear()
            self._buffered = 0
            self.behind = True
        self.news.set()

    def take(self) -> Sequence[Commit]:
        commits = self.buffer.popleft()
        self._buffered -= len(commits)
        self.position = commits[-1].row.revision
        return commits
