"""The file of the SQLite store: its tables and every statement on them, synchronous, one connection an instance.

`log` holds each revision of each key, on a deletion the last state; `commits` says when a revision was committed;
`pins` are revisions whose state compaction leaves readable; `meta` holds the compaction mark. Runs in the threads of
`sqlite.py`, which owns the decisions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import apsw

from podling.storage.interface import Commit, Compacted, Page, Row, StorageError
from podling.storage.ledger import prefix_end

LAYOUT = 1
PAGE_SIZE = 8192
"""Bytes; an object of 1.5 KB with its managedFields fills half of the usual page, which would then hold one."""
CHECKPOINT_PAGES = 4000
"""Pages in the log beside the file (32 MiB) before they are moved into it: those that are written again and again, the
indexes' above all, are then moved once instead of four times, which is a tenth of an update's whole cost."""
TIME_STEP = 1.0
"""Seconds between the times noted in `commits`; history is limited by them, in days."""
_TABLES = """
CREATE TABLE log(
  revision INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL,
  deleted INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX log_of_key ON log(key, revision);
CREATE INDEX log_of_deletions ON log(key, revision) WHERE deleted;
CREATE TABLE commits(last_revision INTEGER PRIMARY KEY, time REAL NOT NULL);
CREATE TABLE pins(name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 0);
"""
_COLUMNS = "revision, key, value, created, version, deleted"
# The newest row of each key at a revision, if it is not a deletion, in order of keys: grouping walks the index, and a
# CROSS JOIN is never turned around, so a limit ends the walk early.
_LIVE = f"""
SELECT {_COLUMNS} FROM (
  SELECT max(revision) AS newest FROM log WHERE key >= ?1 AND key < ?2 AND revision <= ?3 GROUP BY key
) CROSS JOIN log ON revision = newest WHERE NOT deleted LIMIT ?4
"""
# How many those are, without looking at any row of them: all keys less those that were deleted then.
_COUNT = """
SELECT (SELECT count(*) FROM (
    SELECT 1 FROM log WHERE key >= ?1 AND key < ?2 AND revision <= ?3 GROUP BY key))
  - (SELECT count(*) FROM log AS gone
     WHERE gone.deleted AND gone.key >= ?1 AND gone.key < ?2 AND gone.revision <= ?3 AND NOT EXISTS (
       SELECT 1 FROM log AS later
       WHERE later.key = gone.key AND later.revision > gone.revision AND later.revision <= ?3))
"""
# What a later row at or below the mark replaced, unless it is the newest at a pin.
_SUPERSEDED = """
DELETE FROM log WHERE revision > ?1 AND revision <= ?2
  AND EXISTS (SELECT 1 FROM log AS later
              WHERE later.key = log.key AND later.revision > log.revision AND later.revision <= ?3)
  AND NOT EXISTS (SELECT 1 FROM pins WHERE pins.revision >= log.revision AND NOT EXISTS (
        SELECT 1 FROM log AS later
        WHERE later.key = log.key AND later.revision > log.revision AND later.revision <= pins.revision))
"""
# A deletion says something only while an older row of its key is kept for a pin.
_TOMBSTONES = """
DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND deleted
  AND NOT EXISTS (SELECT 1 FROM log AS older WHERE older.key = log.key AND older.revision < log.revision)
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
        if read_only:
            return
        if vfs is not None:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file; an old one keeps its own
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        layout = self._one("PRAGMA user_version")
        if layout == 0:
            with self._db:
                self._db.execute(_TABLES)
                self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        elif layout != LAYOUT:
            raise StorageError(f"{path} has layout {layout}, this version reads {LAYOUT}")

    def close(self) -> None:
        self._db.close()

    # Writing.

    def append(self, rows: Sequence[Row], forget: Sequence[str], time: float) -> None:
        """One batch; what the log held of the keys `forget` goes with it. Nothing is written when this raises.

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
                places = ",".join("?" * len(forget))
                self._db.execute(
                    f"DELETE FROM log WHERE key IN ({places}) AND revision < ?", (*forget, rows[0].revision)
                )
            self._db.execute("INSERT INTO commits VALUES (?, ?)", (rows[-1].revision, time))
            self._db.execute("COMMIT")
            self._noted = time
        except apsw.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def set_mark(self, mark: int) -> None:
        """From here on reads below `mark` are refused, whether the rows are gone yet or not."""
        self._db.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'compacted'", (mark,))

    def compact_slice(self, first: int, last: int, mark: int) -> None:
        """Remove what `mark` makes superfluous among the revisions above `first`, up to `last`; slices ascend."""
        with self._db:
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

    def revision(self) -> int:
        """The last revision ever committed; 1 in a new file. Its row may be gone: then compaction took it, and the
        mark is not below it."""
        logged, noted = "SELECT max(revision) FROM log", "SELECT max(last_revision) FROM commits"
        return max(1, self.mark(), self._one(f"SELECT max(ifnull(({logged}), 1), ifnull(({noted}), 1))"))

    def live(self) -> Iterator[Row]:
        """All rows that are not deleted."""
        newest = "SELECT max(revision) FROM log GROUP BY key"
        yield from self._rows(f"SELECT {_COLUMNS} FROM log WHERE revision IN ({newest}) AND NOT deleted")

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
            query = f"SELECT {_COLUMNS} FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1"
            row = next(self._rows(query, (key, at)), None)
        return None if row is None or row.deleted else row

    def page(self, prefix: str, at: int, after: str, limit: int | None) -> Page:
        first = max(prefix, after + "\0") if after else prefix
        bounds = (first, prefix_end(prefix) if prefix else "\U0010ffff", at)
        with self._db:
            self._check(at)
            rows = tuple(self._rows(_LIVE, (*bounds, -1 if limit is None else limit)))
            total = len(rows) if limit is None else self._one(_COUNT, bounds)
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
        query = f"SELECT {_COLUMNS} FROM log WHERE key = ? AND revision < ? ORDER BY revision DESC LIMIT 1"
        return next(self._rows(query, (row.key, row.revision)), row)

    def _check(self, at: int) -> None:
        if at < (mark := self.mark()) and not self._one("SELECT count(*) FROM pins WHERE revision = ?", (at,)):
            raise Compacted(at, mark)

    def _one(self, query: str, values: Sequence[str | int | float] = ()) -> int:
        return int(next(iter(self._db.execute(query, values)))[0])

    def _rows(self, query: str, values: Sequence[str | int] = ()) -> Iterator[Row]:
        for revision, key, value, created, version, deleted in self._db.execute(query, values):
            yield Row(revision, key, value, created, version, bool(deleted))
