"""Every resource, verb and version is tried; the page in the docs says so.

`GOLDEN=write pytest tests/matrix` (or `make api-matrix`) writes the page.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.apiserver.serving import serving
from tests.matrix.cells import Cell, cells, entries, missing, page
from tests.matrix.exercise import REVIEWS, Matrix, live, prepare, review, special

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api-matrix.md"


async def test_every_verb_of_every_resource_in_every_version_does_what_it_has_to() -> None:
    wrong: list[str] = []
    async with serving(profile="book") as api:
        matrix = Matrix(api)
        await prepare(matrix)
        for entry in entries():
            try:
                if entry.kind in REVIEWS:
                    await review(matrix, entry)
                elif entry.stored and "create" in entry.verbs:
                    await live(matrix, entry)
                else:
                    await special(matrix, entry)
            except (AssertionError, KeyError, TimeoutError) as error:
                wrong.append(f"{entry.api_version} {entry.plural}: {type(error).__name__} {error}")
    assert not wrong, "\n".join(wrong)
    assert not missing(matrix.tried)
    text = page(matrix.tried)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(text)
    assert text == PAGE.read_text()


def test_a_cell_without_a_test_is_told() -> None:
    everything = set(cells())
    pods = Cell("v1", "pods", "patch")
    assert missing(everything - {pods}) == [pods]
    assert "?" in page(everything - {pods})


def test_the_tests_that_are_named_are_there() -> None:
    for cell in cells():
        assert not cell.elsewhere or (ROOT / cell.elsewhere).exists(), cell
