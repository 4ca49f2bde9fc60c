"""Cells of custom resources' own columns, by the type that the column says it has."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.kinds.apiextensions.customcolumns import columns_of


def shown(type_: str, value: Any) -> Any:
    column = columns_of({"additionalPrinterColumns": [{"name": "X", "type": type_, "jsonPath": ".spec.x"}]})[1]
    return column.cell({"spec": {"x": value}}, 0.0)


@pytest.mark.parametrize(
    ("type_", "value", "cell"),
    [
        ("integer", 3, 3),
        ("integer", 3.9, 3),
        ("integer", True, None),
        ("integer", "3", None),
        ("integer", 1e300, 2**63 - 1),
        ("integer", -1e300, -(2**63)),
        ("integer", 2**64 - 1, 2**63 - 1),
        ("number", 1e300, 1e300),
        ("boolean", 1, None),
        ("string", {"a": 1}, '{"a":1}'),
        ("date", "yesterday", "<invalid>"),
        ("date", 5, "<unknown>"),
    ],
)
def test_a_cell_is_of_its_columns_type_or_empty(type_: str, value: Any, cell: Any) -> None:
    assert shown(type_, value) == cell
