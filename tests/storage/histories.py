"""A random history of a few keys as rows, and every question about the past that a file can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from podling.storage.history import History
from podling.storage.interface import Commit, Page, Row
from podling.storage.ledger import Ledger
from podling.storage.sqlitefile import SqliteFile

PREFIXES = ("", "core/pods/", "core/pods/a/", "core/podsets/", "none/")
KEYS = tuple(f"core/{kind}/{namespace}/{i}" for kind in ("pods", "podsets") for namespace in "ab" for i in range(4))
AFTER = "core/pods/a/1"


def rows_of(count: int, seed: int) -> list[Row]:
    """Creations, updates and deletions in any order, from revision 2 on."""
    chance, ledger, rows = Random(seed), Ledger(), []
    for number in range(count):
        key, value = chance.choice(KEYS), b"%d" % number
        head = ledger.get(key)
        if head is None:
            row = ledger.create(key, value)
        elif chance.random() < 0.4:
            row = ledger.delete(key, head.revision, value)
        else:
            row = ledger.update(key, value, head.revision)
        ledger.commit([row])
        rows.append(row)
    return rows


def appended(file: SqliteFile, rows: Sequence[Row]) -> None:
    """In batches, none of them indexed."""
    for first in range(0, len(rows), 7):
        file.append(rows[first : first + 7], (), 1000.0)


Answers = tuple[list[Row | None], list[Page], list[Commit], list[Row]]


def past(source: SqliteFile | History, oldest: int, last: int) -> tuple[list[Row | None], list[Page]]:
    """Every key and every prefix at every revision."""
    revisions = range(oldest, last + 1)
    gets = [source.get(key, at) for key in KEYS for at in revisions]
    pages = [
        source.page(prefix, at, after, limit)
        for prefix in PREFIXES
        for at in revisions
        for after in ("", AFTER)
        for limit in (None, 2)
    ]
    return gets, pages


def answers(file: SqliteFile, oldest: int, last: int) -> Answers:
    """What the file says of every key and prefix at every revision, its log and what is live."""
    gets, pages = past(file, oldest, last)
    commits, _ = file.since(oldest, last, last)
    return gets, pages, list(commits), sorted(file.live(), key=lambda row: row.key)
