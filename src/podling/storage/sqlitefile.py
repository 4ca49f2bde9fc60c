"""The file of the SQLite store: every statement on its tables, synchronous, one connection an instance.

`log` holds each revision of each key, on a deletion the last state; `keyed` leads from a key to its revisions, up to
the mark `indexed`; `commits` says when a revision was committed; `pins` are revisions whose state compaction leaves
readable; `meta` holds the marks. Every answer is right however far `keyed` has come: the rest of the log is then looked
through. Runs in the threads of `sqlite.py`, which owns the decisions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import apsw

from podling.storage.interface import Commit, Compacted, Page, Row
from podling.storage.layout import lay_out
from podling.storage.ledger import prefix_end

PAGE_SIZE = 8192
"""Bytes; an object of 1.5 KB with its managedFields fills half of the usual page, which would then hold one."""
CHECKPOINT_PAGES = 4000
"""Pages in the log beside the file (32 MiB) before they are moved into it: those that are written again and again, the
index's above all, are then moved once instead of four times."""
TIME_STEP = 1.0
"""Seconds between the times noted in `commits`; history is limited by them, in days."""
_COLUMNS = "revision, key, value, created, version, deleted"
_KEYED = "keyed"
# The same with what is not indexed yet. Nothing is in order of keys then, so all of it is sorted for every answer.
_KEYED_AND_TAIL = """(
  SELECT key, revision, deleted FROM keyed UNION ALL
  SELECT key, revision, deleted FROM log WHERE revision > (SELECT value FROM meta WHERE name = 'indexed'))"""
# The newest revision of each key at a revision, if it is not a deletion, in order of keys: grouping walks the index
# (`deleted` is then that of the newest).
_NEWEST = """
SELECT newest FROM (
  SELECT max(revision) AS newest, deleted FROM {keyed} WHERE key >= ?1 AND key < ?2 AND revision <= ?3 GROUP BY key
) AS heads WHERE NOT heads.deleted
"""
# A CROSS JOIN is never turned around, so a limit ends the walk early.
_LIVE = f"SELECT {_COLUMNS} FROM ({_NEWEST}) CROSS JOIN log ON revision = newest LIMIT ?4"
_COUNT = f"SELECT count(*) FROM ({_NEWEST})"
# What a later row at or below the mark replaced, unless it is the newest at a pin.
_SUPERSEDED = """
DELETE FROM log WHERE revision > ?1 AND revision <= ?2
  AND EXISTS (SELECT 1 FROM keyed AS later
              WHERE later.key = log.key AND later.revision > log.revision AND later.revision <= ?3)
  AND NOT EXISTS (SELECT 1 FROM pins WHERE pins.revision >= log.revision AND NOT EXISTS (
        SELECT 1 FROM keyed AS later
        WHERE later.key = log.key AND later.revision > log.revision AND later.revision <= pins.revision))
"""
# A deletion says something only while an older row of its key is kept for a pin.
_TOMBSTONES = """
DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND deleted
  AND NOT EXISTS (SELECT 1 FROM keyed AS older WHERE older.key = log.key AND older.revision < log.revision)
"""


class SqliteFile:
    """One connection. `vfs` names a registered apsw VFS; those have no shared memory, so the file is then locked
    exclusively and has this one connection only."""

    def __init__(
        self, path: str, *, synchronous: str = "FULL", vfs: str | None = None, read_only: bool = False
    ) -> None:
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        if not read_only and vfs is None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = apsw.Connection(path, flags=flags, vfs=vfs)
        self._db.set_busy_timeout(5000)
        self._noted = 0.0
        if not read_only:
            try:
                self._prepare(path, synchronous, exclusive=vfs is not None)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, path: str, synchronous: str, *, exclusive: bool) -> None:
        if exclusive:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file; an old one keeps its own
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        lay_out(self._db, path)

    def close(self) -> None:
        self._db.close()

    # Writing.

    def append(self, rows: Sequence[Row], forget: Sequence[int], time: float) -> None:
        """One batch; the rows at the revisions `forget`, of the batch or older, are gone with it. Nothing is written
        when this raises.

        All rows are one statement, and where nothing else has to be written it is the whole transaction: the
        interpreter, for which this thread would wait each time, is then asked for once a batch. The time of a batch is
        noted where the last one noted is older than `TIME_STEP`.
        """
        values: list[str | int | float | bytes] = []
        for row in rows:
            values += (row.revision, row.key, row.created, row.version, row.deleted, row.value)
        insert = "INSERT INTO log VALUES " + ",".join(["(?,?,?,?,?,?)"] * len(rows))
        if not forget and 0 <= time - self._noted < TIME_STEP:
            self._db.execute(insert, values)
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(insert, values)
            if forget:
                self._db.execute(f"DELETE FROM log WHERE revision IN ({','.join('?' * len(forget))})", forget)
            self._db.execute("INSERT INTO commits VALUES (?, ?)", (rows[-1].revision, time))
            self._db.execute("COMMIT")
            self._noted = time
        except apsw.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def index(self, last: int) -> None:
        """Lead from keys to the revisions up to `last`, which has to be committed; one statement, whole or not at
        all. What is below the mark already costs nothing."""
        self._db.execute("UPDATE meta SET value = ?1 WHERE name = 'indexed' AND value < ?1", (last,))

    def set_mark(self, mark: int) -> None:
        """From here on reads below `mark` are refused, whether the rows are gone yet or not."""
        self._db.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'compacted'", (mark,))

    def compact_slice(self, first: int, last: int, mark: int) -> None:
        """Remove what `mark` makes superfluous among the revisions above `first`, up to `last`; slices ascend."""
        with self._db:
            self.index(mark)
            self._db.execute(_SUPERSEDED, (first, last, mark))
            self._db.execute(_TOMBSTONES, (first, last))
            self._db.execute(
                "DELETE FROM commits WHERE last_revision > ? AND last_revision <= ? "
                "AND last_revision < (SELECT max(last_revision) FROM commits)",
                (first, last),
            )

    def set_pin(self, name: str, revision: int | None) -> None:
        if revision is None:
            self._db.execute("DELETE FROM pins WHERE name = ?", (name,))
            return
        with self._db:
            self._check(revision)
            self._db.execute("INSERT OR REPLACE INTO pins VALUES (?, ?)", (name, revision))

    # Reading.

    def mark(self) -> int:
        return self._one("SELECT value FROM meta WHERE name = 'compacted'")

    def indexed(self) -> int:
        """The revision up to which `keyed` holds everything that the log does."""
        return self._one("SELECT value FROM meta WHERE name = 'indexed'")

    def revision(self) -> int:
        """The last revision ever committed; 1 in a new file. Its row may be gone: then compaction took it, and the
        mark is not below it."""
        logged, noted = "SELECT max(revision) FROM log", "SELECT max(last_revision) FROM commits"
        marked = "SELECT max(value) FROM meta"
        return self._one(f"SELECT max(1, ({marked}), ifnull(({logged}), 1), ifnull(({noted}), 1))")

    def live(self) -> Iterator[Row]:
        """All rows that are not deleted."""
        with self._db:
            heads = f"SELECT max(revision) AS newest, deleted FROM {self._keyed(self.revision())} GROUP BY key"
            newest = f"SELECT newest FROM ({heads}) AS heads WHERE NOT heads.deleted"
            yield from self._rows(f"SELECT {_COLUMNS} FROM log WHERE revision IN ({newest})")

    def log_bytes(self) -> int:
        """Bytes of all values in the log, live ones included; reads the whole log."""
        return self._one("SELECT ifnull(sum(length(value)), 0) FROM log")

    def used_bytes(self) -> int:
        """Bytes of the pages in use: never less than `log_bytes`, and known at once."""
        pages = self._one("PRAGMA page_count") - self._one("PRAGMA freelist_count")
        return pages * self._one("PRAGMA page_size")

    def revision_before(self, time: float) -> int:
        """The last noted revision committed before a wall-clock time, at most `TIME_STEP` too early; 0 for none."""
        revision = 0
        for last, when in self._db.execute("SELECT last_revision, time FROM commits ORDER BY last_revision"):
            if when >= time:
                break
            revision = last
        return revision

    def get(self, key: str, at: int) -> Row | None:
        with self._db:
            self._check(at)
            row = self._newest(key, at)
        return None if row is None or row.deleted else row

    def page(self, prefix: str, at: int, after: str, limit: int | None) -> Page:
        bounds = (*_bounds(prefix, after), at)
        with self._db:
            self._check(at)
            keyed = self._keyed(at)
            rows = tuple(self._rows(_LIVE.format(keyed=keyed), (*bounds, -1 if limit is None else limit)))
            total = len(rows) if limit is None else self._one(_COUNT.format(keyed=keyed), bounds)
        return Page(rows, at, total - len(rows))

    def since(self, revision: int, last: int, limit: int) -> tuple[Sequence[Commit], int]:
        """The next commits above `revision`, none above `last`, and the revision up to which that is the log."""
        with self._db:
            if revision < (mark := self.mark()):
                raise Compacted(revision, mark)
            query = f"SELECT {_COLUMNS} FROM log WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?"
            rows = tuple(self._rows(query, (revision, last, limit)))
            commits = [Commit(row, self._before(row)) for row in rows]
        return commits, rows[-1].revision if len(rows) == limit else last

    def _before(self, row: Row) -> Row | None:
        """The row that `row` replaced; `row` itself where that one was not kept (keys without history)."""
        if row.version == 1:
            return None
        before = self._newest(row.key, row.revision - 1)
        return row if before is None or before.created != row.created else before

    def _newest(self, key: str, at: int) -> Row | None:
        """The newest row of a key at a revision, a deletion too."""
        newest = f"SELECT max(revision) FROM {self._keyed(at)} WHERE key = ? AND revision <= ?"
        return next(self._rows(f"SELECT {_COLUMNS} FROM log WHERE revision = ({newest})", (key, at)), None)

    def _keyed(self, at: int) -> str:
        """What leads from keys to all revisions up to `at`."""
        return _KEYED if at <= self.indexed() else _KEYED_AND_TAIL

    def _check(self, at: int) -> None:
        if at < (mark := self.mark()) and not self._one("SELECT count(*) FROM pins WHERE revision = ?", (at,)):
            raise Compacted(at, mark)

    def _one(self, query: str, values: Sequence[str | int | float] = ()) -> int:
        return int(next(iter(self._db.execute(query, values)))[0])

    def _rows(self, query: str, values: Sequence[str | int] = ()) -> Iterator[Row]:
        for revision, key, value, created, version, deleted in self._db.execute(query, values):
            yield Row(revision, key, value, created, version, bool(deleted))


def _bounds(prefix: str, after: str) -> tuple[str, str]:
    """The first key that may be under `prefix` and behind `after`, and the first that may not."""
    first = max(prefix, after + "\0") if after else prefix
    return first, prefix_end(prefix) if prefix else "\U0010ffff"
