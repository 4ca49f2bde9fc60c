"""The tables of the SQLite store, and how a file of an older layout is brought to this one.

A commit only appends to `log`, whose order is that of its pages. Where a key's revisions are is told by `keyed`, a
table of its own: eight writers' keys lie on eight pages of it, so it follows in large sorted steps instead of with
every commit. Triggers keep the two in step, so that no statement can move one and forget the other.
"""

from __future__ import annotations

import apsw

from podling.storage.interface import StorageError

LAYOUT = 2
_LOG = """
CREATE TABLE log(
  revision INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL,
  deleted INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE commits(last_revision INTEGER PRIMARY KEY, time REAL NOT NULL);
CREATE TABLE pins(name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 0);
"""
# Raising the mark `indexed` is what fills `keyed`: one statement is then one whole transaction, for which the writer's
# thread asks for the interpreter once.
_INDEX = """
CREATE TABLE keyed(
  key TEXT NOT NULL, revision INTEGER NOT NULL, deleted INTEGER NOT NULL, PRIMARY KEY (key, revision)) WITHOUT ROWID;
INSERT INTO meta VALUES ('indexed', 0);
CREATE TRIGGER log_is_indexed AFTER UPDATE OF value ON meta WHEN new.name = 'indexed' BEGIN
  INSERT INTO keyed SELECT key, revision, deleted FROM log
  WHERE revision > old.value AND revision <= new.value ORDER BY key, revision;
END;
CREATE TRIGGER log_loses_a_row AFTER DELETE ON log BEGIN
  DELETE FROM keyed WHERE key = old.key AND revision = old.revision;
END;
"""
# The indexes go first: their pages take what `keyed` needs, so the file does not grow.
_FROM_1 = f"""
DROP INDEX log_of_key;
DROP INDEX log_of_deletions;
{_INDEX}
UPDATE meta SET value = (SELECT ifnull(max(revision), 0) FROM log) WHERE name = 'indexed';
"""


def lay_out(database: apsw.Connection, path: str) -> None:
    """Make the tables of a new file, or bring an older one's to this layout: wholly or not at all.

    Raises StorageError for a layout from the future, apsw.Error where the file or the disk does not allow it.
    """
    (layout,) = next(iter(database.execute("PRAGMA user_version")))
    if layout == LAYOUT:
        return
    steps = {0: _LOG + _INDEX, 1: _FROM_1}
    if layout not in steps:
        raise StorageError(f"{path} has layout {layout}, this version reads {LAYOUT}")
    with database:
        database.execute(steps[layout])
        database.execute(f"PRAGMA user_version = {LAYOUT}")
