"""Past revisions in memory, key by key: what the memory store answers old reads from.

The same rules as the tables of the durable store: compaction keeps for each key the newest row at or below the
mark and at or below each pin, so that a read at the mark, above it, or at a pin is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter

from podling.storage.interface import Commit, Compacted, Page, Row
from podling.storage.ledger import key_range

_revision = attrgetter("revision")


class History:
    def __init__(self) -> None:
        self.mark = 0
        self.pins: dict[str, int] = {}
        self.superseded = 0
        """Bytes of the values that newer rows replaced."""
        self._rows: dict[str, list[Row]] = {}
        self._log: list[Row] = []

    def append(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._rows.setdefault(commit.row.key, []).append(commit.row)
            self._log.append(commit.row)
            self.superseded += len(commit.previous.value) if commit.previous else 0

    def check(self, revision: int) -> None:
        """Raises Compacted unless the state at `revision` is kept."""
        if revision < self.mark and revision not in self.pins.values():
            raise Compacted(revision, self.mark)

    def get(self, key: str, at: int) -> Row | None:
        self.check(at)
        row = _newest(self._rows.get(key, ()), at)
        return None if row is None or row.deleted else row

    def page(self, prefix: str, at: int, after: str, limit: int | None) -> Page:
        self.check(at)
        keys = sorted(self._rows)
        first, end = key_range(keys, prefix, after)
        found = (_newest(self._rows[key], at) for key in keys[first:end])
        live = [row for row in found if row is not None and not row.deleted]
        rows = live if limit is None else live[:limit]
        return Page(tuple(rows), at, len(live) - len(rows))

    def since(self, revision: int, limit: int) -> tuple[Sequence[Commit], int]:
        """The next commits above `revision` and the revision of the last; raises Compacted."""
        if revision < self.mark:
            raise Compacted(revision, self.mark)
        first = bisect_right(self._log, revision, key=_revision)
        rows = self._log[first : first + limit]
        return [Commit(row, self._before(row)) for row in rows], rows[-1].revision if rows else revision

    def compact(self, mark: int) -> None:
        self.mark = max(self.mark, mark)
        for key in list(self._rows):
            rows = self._rows[key]
            kept = self._kept(rows)
            if kept and (kept[0].deleted and kept[0].revision <= self.mark):
                kept = kept[1:]
            if len(kept) == len(rows):
                continue
            if kept:
                self._rows[key] = kept
            else:
                del self._rows[key]
        self._log = sorted((row for rows in self._rows.values() for row in rows), key=_revision)
        self.superseded = sum(len(row.value) for rows in self._rows.values() for row in rows[:-1])

    def _kept(self, rows: Sequence[Row]) -> list[Row]:
        marks = [self.mark, *(pin for pin in self.pins.values() if pin < self.mark)]
        newest = {row.revision for mark in marks if (row := _newest(rows, mark)) is not None}
        return [row for row in rows if row.revision > self.mark or row.revision in newest]

    def _before(self, row: Row) -> Row | None:
        return None if row.version == 1 else _newest(self._rows[row.key], row.revision - 1)


def _newest(rows: Sequence[Row], at: int) -> Row | None:
    index = bisect_right(rows, at, key=_revision)
    return rows[index - 1] if index else None
