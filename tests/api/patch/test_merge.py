"""Merge patch is RFC 7386, and the computed patch leads to its target."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import BadRequest
from podling.api.patch import diff, merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_the_examples_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


def test_a_patch_is_an_object() -> None:
    with pytest.raises(BadRequest, match="Invalid JSON Patch"):
        merge_patch({}, [1])


SCALARS = st.integers() | st.text(max_size=3) | st.booleans()
OBJECTS = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    ),
)


@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_objects_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge_patch(copy.deepcopy(old), diff(old, new)) == new


@given(OBJECTS, OBJECTS)
def test_a_patch_stays_as_it_was_and_says_the_same_the_second_time(old: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy(patch)
    once = merge_patch(copy.deepcopy(old), patch)
    assert patch == before
    assert merge_patch(copy.deepcopy(once), patch) == once


@given(OBJECTS)
def test_there_is_no_difference_to_oneself(value: dict[str, Any]) -> None:
    assert diff(value, copy.deepcopy(value)) == {}
