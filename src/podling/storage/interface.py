"""What a store is: an ordered log of revisions of keys, with compare-and-set, history and a stream of commits.

Every backend passes `tests/suites/storage.py`. A revision is allotted to each write; a write is acknowledged only
when it is durable (as durable as the backend was asked to be); readers and subscribers see what is committed and
nothing else, in the order of revisions, without gaps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec


class Row(msgspec.Struct, frozen=True, gc=False):
    """One revision of one key. On a deletion `value` is the last state."""

    revision: int
    key: str
    value: bytes
    created: int
    """The revision at which this life of the key began."""
    version: int
    """1 at creation, one more with each write."""
    deleted: bool = False


class Commit(msgspec.Struct, frozen=True, gc=False):
    """A committed row and the one it replaced (None for a creation)."""

    row: Row
    previous: Row | None


class Page(msgspec.Struct, frozen=True, gc=False):
    """An answer of `list`: live rows in order of keys, the revision they were read at, how many follow."""

    rows: tuple[Row, ...]
    revision: int
    remaining: int = 0


class StorageError(Exception):
    """The store could not do it: nothing was written."""


class KeyExists(StorageError):
    def __init__(self, current: Row) -> None:
        super().__init__(f"{current.key} exists")
        self.current = current


class KeyNotFound(StorageError):
    def __init__(self, key: str) -> None:
        super().__init__(f"{key} does not exist")
        self.key = key


class Changed(StorageError):
    """A compare-and-set whose expectation did not hold."""

    def __init__(self, current: Row) -> None:
        super().__init__(f"{current.key} is at revision {current.revision}")
        self.current = current


class Compacted(StorageError):
    """The revision asked for lies below the compaction mark."""

    def __init__(self, revision: int, mark: int) -> None:
        super().__init__(f"revision {revision} is compacted, the oldest kept is {mark}")
        self.revision, self.mark = revision, mark


class WriteFailed(StorageError):
    """The batch was rolled back (disk full, a failed commit); says why in words for a user."""


class Storage(Protocol):
    """The verbs. All methods may be called from one event loop only."""

    @property
    def revision(self) -> int:
        """The last committed revision; 1 in a new store."""

    @property
    def compacted(self) -> int:
        """The compaction mark: history below it is gone."""

    async def create(self, key: str, value: bytes) -> Row:
        """Raises KeyExists, WriteFailed."""

    async def update(self, key: str, value: bytes, *, expect: int) -> Row:
        """Replace the row whose revision is `expect`. Raises KeyNotFound, Changed, WriteFailed."""

    async def delete(self, key: str, *, expect: int, last: bytes | None = None) -> Row:
        """Delete the row whose revision is `expect`; `last` is the last state to keep in the log (default: as it
        was). The returned row has the revision of the deletion. Raises KeyNotFound, Changed, WriteFailed."""

    async def get(self, key: str, *, at: int | None = None) -> Row | None:
        """The committed row, now or at a past revision. Raises Compacted; WriteFailed is never raised here."""

    async def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int | None = None) -> Page:
        """Live rows under `prefix` in order of keys, those behind the key `after`, `limit` at most. Compacted."""

    def subscribe(self, since: int) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Commit]]]:
        """All commits with a revision above `since`, batch by batch, for ever. Raises Compacted on entering."""

    async def compact(self, revision: int) -> None:
        """Forget history below `revision`, except what a pin keeps."""

    async def pin(self, name: str, revision: int | None) -> None:
        """Keep the state at `revision` readable under a name; None forgets the pin."""

    async def run(self) -> None:
        """The store's own upkeep, for ever; to be supervised. Raises StorageError when the store cannot go on: the
        server then has to stop."""

    async def close(self) -> None:
        """Everything acknowledged is durable; later calls raise StorageError."""
