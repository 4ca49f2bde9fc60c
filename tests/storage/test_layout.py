"""A file of the first layout, as an older version left it, is brought to the present one when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from podling.env import SystemEnv
from podling.storage.interface import Page, Row, StorageError
from podling.storage.layout import LAYOUT
from podling.storage.sqlite import Options, SqliteStorage
from podling.storage.sqlitefile import SqliteFile
from tests.storage.disks import Quota, watched
from tests.storage.histories import AFTER, KEYS, PREFIXES, Answers, answers, rows_of

LAYOUT_1 = """
CREATE TABLE log(
  revision INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL,
  deleted INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX log_of_key ON log(key, revision);
CREATE INDEX log_of_deletions ON log(key, revision) WHERE deleted;
CREATE TABLE commits(last_revision INTEGER PRIMARY KEY, time REAL NOT NULL);
CREATE TABLE pins(name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 0);
PRAGMA user_version = 1;
"""
COLUMNS = "revision, key, value, created, version, deleted"
# As the first layout was asked.
GET = f"SELECT {COLUMNS} FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1"
LIVE = f"""
SELECT {COLUMNS} FROM (
  SELECT max(revision) AS newest FROM log WHERE key >= ?1 AND key < ?2 AND revision <= ?3 GROUP BY key
) CROSS JOIN log ON revision = newest WHERE NOT deleted
"""
PIN = 15
"""Before the mark, and readable."""
MARK, LAST = 30, 80


def old_file(path: str) -> None:
    """A history with deletions, keys that lived twice, a pin and a compaction."""
    with closing(apsw.Connection(path)) as connection:
        connection.execute("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL")
        connection.execute(LAYOUT_1)
        with connection:
            for row in rows_of(LAST - 1, seed=5):
                values = (row.revision, row.key, row.created, row.version, row.deleted, row.value)
                connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", values)
            connection.execute("INSERT INTO commits VALUES (2, 1000.0), (?, 1001.0)", (LAST,))
            connection.execute("INSERT INTO pins VALUES ('fork', ?)", (PIN,))
            connection.execute("UPDATE meta SET value = ?", (MARK,))
            superseded = "EXISTS (SELECT 1 FROM log AS l WHERE l.key = log.key AND l.revision > log.revision AND"
            connection.execute(
                f"DELETE FROM log WHERE {superseded} l.revision <= ?) "
                f"AND (revision > ? OR {superseded} l.revision <= ?))",
                (MARK, PIN, PIN),
            )


def old_answers(path: str, at_least: int) -> Answers:
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:

        def rows(query: str, values: Sequence[str | int]) -> list[Row]:
            return [Row(*columns[:5], bool(columns[5])) for columns in connection.execute(query, values)]

        def page(prefix: str, at: int, after: str, limit: int | None) -> Page:
            live = rows(LIVE, (prefix, prefix + "\U0010ffff", at))
            found = [row for row in live if row.key > after]
            return Page(tuple(found[:limit]), at, len(found) - len(found[:limit]))

        revisions = range(at_least, LAST + 1)
        newest = [rows(GET, (key, at)) for key in KEYS for at in revisions]
        gets = [None if not row or row[0].deleted else row[0] for row in newest]
        pages = [
            page(prefix, at, after, limit)
            for prefix in PREFIXES
            for at in revisions
            for after in ("", AFTER)
            for limit in (None, 2)
        ]
        return gets, pages, [], rows(LIVE, ("", "\U0010ffff", LAST))


def test_a_file_of_the_first_layout_answers_every_read_as_before(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    old_file(path)
    expected = old_answers(path, MARK)
    assert any(row is not None for row in expected[0]) and expected[3]
    with closing(apsw.Connection(path)) as connection:
        pinned = [Row(*columns[:5], bool(columns[5])) for columns in connection.execute(LIVE, ("", "z", PIN))]
    for _ in range(2):  # when it is brought to this layout, and after that
        file = SqliteFile(path)
        assert (layout_of(path), file.indexed(), file.revision(), file.mark()) == (LAYOUT, LAST, LAST, MARK)
        gets, pages, commits, live = answers(file, MARK, LAST)
        assert (gets, pages, live) == (expected[0], expected[1], expected[3])
        assert [commit.row for commit in commits] == rows_of(LAST - 1, seed=5)[MARK - 1 :]
        assert list(file.page("", PIN, "", None).rows) == pinned
        assert file.revision_before(1000.5) == 2
        file.close()


async def test_a_store_of_the_first_layout_is_gone_on_with(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    old_file(path)
    store = await SqliteStorage.open(path, SystemEnv())
    rows = (await store.list("")).rows
    updated = await store.update(rows[0].key, b"new", expect=rows[0].revision)
    assert updated.revision == LAST + 1
    assert (await store.list("", at=LAST)).rows == rows
    await store.pin("fork", None)
    await store.compact(LAST + 1)
    assert (await store.list("")).rows == (updated, *rows[1:])
    await store.close()
    with closing(apsw.Connection(path)) as connection:
        log = "SELECT key, revision, deleted FROM log ORDER BY key, revision"
        assert list(connection.execute(log)) == list(connection.execute("SELECT * FROM keyed"))
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert not names & {"log_of_key", "log_of_deletions"}


async def test_a_disk_too_full_for_the_new_layout_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    old_file(path)
    expected = old_answers(path, MARK)
    with (
        watched("full", Quota(str(tmp_path), 0)) as vfs,
        pytest.raises(StorageError, match=r"cannot be opened: .*full"),
    ):
        await SqliteStorage.open(path, SystemEnv(), Options(vfs=vfs, reserve_bytes=0))
    assert layout_of(path) == 1
    assert old_answers(path, MARK) == expected


async def test_a_layout_from_the_future_is_refused_in_words(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    await (await SqliteStorage.open(path, SystemEnv())).close()
    with closing(apsw.Connection(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StorageError, match=f"has layout 7, this version reads {LAYOUT}"):
        await SqliteStorage.open(path, SystemEnv())


def layout_of(path: str) -> int:
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        (layout,) = next(iter(connection.execute("PRAGMA user_version")))
        return int(layout)
