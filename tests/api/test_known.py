"""What is known again by its JSON."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api import known


def test_a_value_seen_before_is_not_looked_at_again() -> None:
    looked: list[Any] = []

    @known.by_json(8)
    def size(value: Any, more: int) -> int:
        looked.append(value)
        return len(value) + more

    assert [size({"a": 1}, 1), size({"a": 1}, 1), size({"a": 1}, 2), size({"b": 1}, 1)] == [2, 2, 3, 2]
    assert looked == [{"a": 1}, {"a": 1}, {"b": 1}]


def test_what_is_made_of_a_value_is_the_callers_own_and_the_value_stays() -> None:
    @known.rewriting(8)
    def grown(value: Any) -> Any:
        value["list"].append(1)
        return value

    given = {"list": [0]}
    first, second = grown(given), grown(given)
    assert first == second == {"list": [0, 1]}
    assert first is not second
    assert first["list"] is not second["list"]
    assert given == {"list": [0]}


def test_a_value_that_needs_no_change_is_handed_back_itself() -> None:
    same = known.rewriting(8)(lambda value: value)
    given = {"a": [1]}
    assert same(given) is given


def test_large_values_and_failures_are_not_remembered() -> None:
    looked: list[int] = []

    @known.by_json(8)
    def refused(value: Any) -> None:
        looked.append(len(value))
        if value == "bad":
            raise ValueError(value)

    large = "x" * (known.LONGEST + 1)
    for value in ("bad", "bad"):
        with pytest.raises(ValueError, match="bad"):
            refused(value)
    refused(large)
    refused(large)
    assert looked == [3, 3, len(large), len(large)]
