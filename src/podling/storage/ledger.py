"""The heads of all keys, committed and pending: compare-and-set and the allotment of revisions.

Pure: every backend's writes go through one of these on its loop, so that the decision is made in the order of the
queue, before anything touches a disk. Readers see `committed` only. A write is decided against the pending head of
its key; `commit` turns the oldest pending rows into committed ones, `roll_back` forgets all that are pending and
gives their revisions back (nobody has seen them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from podling.storage.interface import Changed, Commit, KeyExists, KeyNotFound, Page, Row


class Ledger:
    """Live rows by key and in order of keys. `rows` are the live rows found on opening, `revision` the last one."""

    def __init__(self, rows: Iterable[Row] = (), revision: int = 1) -> None:
        self._committed: dict[str, Row] = {row.key: row for row in rows}
        self._keys: list[str] | None = None
        self._pending: dict[str, Row] = {}
        self._next = revision + 1
        self.revision = revision
        """The last committed revision."""

    # Deciding: each returns the pending row and leaves what is committed alone.

    def create(self, key: str, value: bytes) -> Row:
        """Raises KeyExists."""
        if (head := self._head(key)) is not None:
            raise KeyExists(head)
        return self._allot(key, value, None)

    def update(self, key: str, value: bytes, expect: int) -> Row:
        """Raises KeyNotFound, Changed."""
        return self._allot(key, value, self._expected(key, expect))

    def delete(self, key: str, expect: int, last: bytes | None) -> Row:
        """Raises KeyNotFound, Changed."""
        head = self._expected(key, expect)
        return self._allot(key, head.value if last is None else last, head, deleted=True)

    def is_pending(self, key: str) -> bool:
        return key in self._pending

    # Settling.

    def commit(self, rows: Sequence[Row]) -> tuple[Commit, ...]:
        """The batch `rows`, the oldest of those pending, is durable."""
        commits = []
        for row in rows:
            previous = self._committed.get(row.key)
            commits.append(Commit(row, previous))
            if row.deleted:
                del self._committed[row.key]
                self._keys = None
            else:
                if previous is None:
                    self._keys = None
                self._committed[row.key] = row
            if self._pending.get(row.key) is row:
                del self._pending[row.key]
            self.revision = row.revision
        return tuple(commits)

    def roll_back(self) -> None:
        """Nothing that is pending was written; heads and counter are those of the last commit again."""
        self._pending.clear()
        self._next = self.revision + 1

    # Reading what is committed.

    def get(self, key: str) -> Row | None:
        return self._committed.get(key)

    def page(self, prefix: str, after: str, limit: int | None) -> Page:
        """As `Storage.list` without `at`. The keys are sorted here: the watch cache, which answers all lists, has
        its own order of them and asks for pages when it starts, while writes come all the time."""
        if self._keys is None:
            self._keys = sorted(self._committed)
        first, end = key_range(self._keys, prefix, after)
        last = end if limit is None else min(end, first + limit)
        rows = tuple(self._committed[key] for key in self._keys[first:last])
        return Page(rows, self.revision, end - last)

    def _head(self, key: str) -> Row | None:
        row = self._pending.get(key) or self._committed.get(key)
        return None if row is None or row.deleted else row

    def _expected(self, key: str, expect: int) -> Row:
        head = self._head(key)
        if head is None:
            raise KeyNotFound(key)
        if head.revision != expect:
            raise Changed(head)
        return head

    def _allot(self, key: str, value: bytes, head: Row | None, deleted: bool = False) -> Row:
        revision, self._next = self._next, self._next + 1
        row = Row(
            revision=revision,
            key=key,
            value=value,
            created=head.created if head else revision,
            version=head.version + 1 if head else 1,
            deleted=deleted,
        )
        self._pending[key] = row
        return row


def key_range(keys: Sequence[str], prefix: str, after: str = "") -> tuple[int, int]:
    """First and end index of the keys under `prefix` and behind `after`, in a sorted list."""
    end = bisect_left(keys, prefix_end(prefix)) if prefix else len(keys)
    first = bisect_right(keys, after) if after >= prefix and after else bisect_left(keys, prefix)
    return min(first, end), end


def prefix_end(prefix: str) -> str:
    """The first string above all strings that begin with `prefix` (not empty)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
