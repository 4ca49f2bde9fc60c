"""What `kubectl get` and `kubectl get -o wide` print, kind by kind."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
import yaml

from podling.api.kinds.cells import human_duration, seconds
from podling.api.kinds.kind import Column
from tests.api.kinds import golden, objects

Json = dict[str, Any]
NOW = seconds("2026-11-23T12:00:00Z")
TYPES = {"string": str, "integer": int, "boolean": (bool, str), "date": str}


def rendered(columns: list[Column], found: list[Json]) -> list[str]:
    """Columns as kubectl aligns them: three blanks between, upper case names."""
    rows = [[column.name.upper() for column in columns]]
    rows += [[cell_text(column.cell(obj, NOW)) for column in columns] for obj in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def cell_text(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def test_tables_are_those_of_kubectl_get() -> None:
    lines: list[str] = []
    written = yaml.safe_load_all((objects.HERE / "cases" / "tables.yaml").read_text())
    for (api_version, kind), found in groupby(written, key=lambda obj: (obj["apiVersion"], obj["kind"])):
        columns = objects.resource(api_version, kind).declaration.columns
        lines += [*rendered([*columns], [*found]), ""]
    golden.check("tables", lines)


def test_a_new_object_of_every_kind_prints_as_this() -> None:
    lines: list[str] = []
    for kind in sorted(objects.bases()):
        obj = objects.created(objects.base(kind))
        obj["metadata"]["creationTimestamp"] = "2026-11-23T11:57:00Z"
        columns = objects.resource(obj["apiVersion"], kind).declaration.columns
        lines += [f"{obj['apiVersion']} {kind}", *rendered([*columns], [obj]), ""]
    golden.check("new", lines)


@pytest.mark.parametrize("entry", objects.catalog().resources, ids=lambda entry: f"{entry.api_version} {entry.kind}")
def test_every_kind_prints_an_object_that_says_nothing(entry: Any) -> None:
    columns = entry.declaration.columns
    assert [column.name for column in columns if column.format == "name"] == ["Name"]
    for column in columns:
        cell = column.cell({"metadata": {"name": "x"}}, NOW)
        assert isinstance(cell, TYPES[column.type] if column.type != "string" else (str, int)), column.name


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 61, "3h1m"),
        (8 * 3600 + 61, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400 + 3600, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (8 * 365 * 86400, "8y"),
    ],
)
def test_durations_are_told_in_two_units_at_most(duration: float, expected: str) -> None:
    assert human_duration(duration) == expected
