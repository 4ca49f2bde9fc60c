"""One watch: catches up from the log, then from the ring, then lives on what the cache delivers to it.

A watcher that does not read is cut off when its buffer is full: it gets Expired and comes back with a list, and
nobody else ever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

from podling.api.errors import Expired
from podling.api.objects import Event
from podling.storage.changes import Change
from podling.storage.interest import Interest
from podling.storage.interface import Commit, Compacted, Storage


class Source(Protocol):
    """What a watch needs of the cache."""

    @property
    def storage(self) -> Storage: ...
    @property
    def revision(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def change_of(self, commit: Commit) -> Change: ...
    def recent(self, resource: str, since: int) -> Sequence[Change]: ...
    def register(self, watch: Watch) -> None: ...
    def unregister(self, watch: Watch) -> None: ...


class Watch:
    """`async with cache.watch(…) as watch: async for events in watch`. Made by the cache.

    Entering raises Expired where the log does not reach back to `since`; iterating raises it when the watcher was
    too slow, and StorageError when the store stopped.
    """

    def __init__(self, cache: Source, resource: str, since: int, interest: Interest, buffer_bytes: int) -> None:
        self.resource, self.interest = resource, interest
        self._cache, self._limit = cache, buffer_bytes
        self._seen = since
        self._handed = since
        self._buffer: list[Event] = []
        self._buffered = 0
        self._log: AsyncIterator[Sequence[Commit]] | None = None
        self._stack = AsyncExitStack()
        self._news = asyncio.Event()
        self._ended: Exception | None = None

    @property
    def revision(self) -> int:
        """Everything up to here was handed out: what a bookmark may say."""
        if self._buffer or self._ended is not None:
            return self._handed
        return self._seen if self._log is not None else max(self._seen, self._cache.revision)

    async def __aenter__(self) -> Self:
        if self._seen >= self._cache.oldest:
            self._go_live()
            return self
        try:
            self._log = await self._stack.enter_async_context(self._cache.storage.subscribe(self._seen))
        except Compacted as error:
            raise expired(error.revision, error.mark) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cache.unregister(self)
        await self._stack.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Event]:
        """The next events, all of those that wait. Safe to cancel: nothing is lost."""
        while not self._buffer:
            if self._ended is not None:
                raise self._ended
            if self._log is not None:
                await self._catch_up(self._log)
            else:
                self._news.clear()
                await self._news.wait()
        events, self._buffer, self._buffered = self._buffer, [], 0
        self._handed = events[-1].object.revision
        return events

    async def next(self, seconds: float | None = None) -> Sequence[Event]:
        """As `__anext__`, but empty when nothing came in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.__anext__()
        except TimeoutError:
            return ()

    def deliver(self, change: Change) -> None:
        """Called by the cache, on the loop, in the order of revisions."""
        if change.revision <= self._seen or self._ended is not None:
            return
        self._seen = change.revision
        if (event := change.seen_by(self.interest)) is None:
            return
        self._buffer.append(event)
        self._buffered += change.size
        self._news.set()
        if self._buffered > self._limit:
            self.end(expired(self._handed, change.revision))

    def end(self, why: Exception) -> None:
        """Forget what waits; the reader gets `why` next."""
        self._buffer, self._buffered = [], 0
        self._ended = why
        self._cache.unregister(self)
        self._news.set()

    async def _catch_up(self, log: AsyncIterator[Sequence[Commit]]) -> None:
        """One batch of the log; abreast of the ring, the rest comes from there."""
        try:
            commits = await anext(log)
        except Compacted as error:
            raise expired(error.revision, error.mark) from error
        # The store publishes before the cache has applied; what the cache does not know yet it will deliver.
        seen = min(commits[-1].row.revision, self._cache.revision)
        for commit in commits:
            if commit.row.revision <= seen and commit.row.key.startswith(self.resource):
                event = self._cache.change_of(commit).seen_by(self.interest)
                if event is not None:
                    self._buffer.append(event)
        self._seen = seen
        if seen >= self._cache.oldest:
            self._log = None
            await self._stack.aclose()
            self._go_live()

    def _go_live(self) -> None:
        self._cache.register(self)
        for change in self._cache.recent(self.resource, self._seen):
            self.deliver(change)


def expired(revision: int, oldest: int) -> Expired:
    """`too old resource version`, in upstream's words."""
    return Expired(f"too old resource version: {revision} ({oldest})")
