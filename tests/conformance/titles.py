"""The marker `conformance("<name>")`: which behaviour of upstream's conformance list a test shows.

The names are those of `data/conformance.tsv`, to the letter; a name that is not there, or is shown by two tests, ends
the collection, so that the count of `make conformance` cannot lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).parents[2] / "data" / "conformance.tsv"


def behaviours() -> dict[str, str]:
    """Name → SIG, in the order of the list."""
    rows = (line.split("\t") for line in LIST.read_text().splitlines()[1:])
    return {row[1]: row[0] for row in rows}


def title_of(item: pytest.Item) -> str | None:
    """The behaviour that a test shows."""
    marker = item.get_closest_marker("conformance")
    return str(marker.args[0]) if marker is not None and len(marker.args) == 1 else None


def mistakes(marked: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with (test, name) pairs; parameters of one test count as one."""
    known = behaviours()
    unique = dict.fromkeys(marked)
    twice = Counter(name for _, name in unique)
    return [
        *(f"{test}: no such behaviour: {name}" for test, name in unique if name not in known),
        *(f"{test}: another test shows this, too: {name}" for test, name in unique if twice[name] > 1),
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Imported by `tests/conftest.py`, for marked tests lie in all rooms."""
    marked = [(item.nodeid.partition("[")[0], title) for item in items if (title := title_of(item)) is not None]
    nameless = [i.nodeid for i in items if i.get_closest_marker("conformance") and title_of(i) is None]
    found = mistakes(marked) + [f"{test}: conformance() takes one name" for test in nameless]
    if found:
        raise pytest.UsageError("\n".join(found))
