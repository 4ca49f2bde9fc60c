"""JSON Patch: the operations, and the limits that keep one request from filling the memory."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge
from podling.api.patch import json_patch


def test_operations_are_applied_in_order() -> None:
    target: dict[str, Any] = {"a": {"b": [1, 2]}, "old": "x"}
    out = json_patch(
        target,
        [
            {"op": "test", "path": "/a/b/0", "value": 1},
            {"op": "add", "path": "/a/b/-", "value": 3},
            {"op": "replace", "path": "/a/b/0", "value": None},
            {"op": "move", "from": "/old", "path": "/new"},
            {"op": "copy", "from": "/new", "path": "/a/copied~1here"},
            {"op": "remove", "path": "/a/b/1"},
        ],
    )
    assert out == {"a": {"b": [None, 3], "copied/here": "x"}, "new": "x"}


@pytest.mark.parametrize(
    ("operation", "error", "says"),
    [
        ({"op": "test", "path": "/a", "value": 2}, Invalid, "testing value /a failed: test failed"),
        (
            {"op": "replace", "path": "/x/y", "value": 2},
            Invalid,
            'replace operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        (
            {"op": "remove", "path": "/x"},
            Invalid,
            'remove operation does not apply: doc is missing path: "/x": missing value',
        ),
        ({"op": "add", "path": "no-slash", "value": 1}, Invalid, "add operation does not apply"),
        ({"op": "jump", "path": "/a"}, Invalid, "Unexpected kind: jump"),
        ({"path": "/a"}, Invalid, "Unexpected kind: unknown"),
        ({"op": "add"}, Invalid, "add operation missing path field"),
        ({"op": "copy", "path": "/a"}, Invalid, "copy operation missing from field"),
        ("text", BadRequest, "json: cannot unmarshal value into Go value of type jsonpatch.Operation"),
    ],
)
def test_an_operation_that_does_not_apply_is_refused_with_its_reason(
    operation: Any, error: type[ApiError], says: str
) -> None:
    with pytest.raises(error) as caught:
        json_patch({"a": 1}, [operation])
    assert says in caught.value.message


def test_a_patch_is_a_list() -> None:
    with pytest.raises(BadRequest, match=r"json: cannot unmarshal object into Go value of type jsonpatch\.Patch"):
        json_patch({}, {"op": "add"})


def test_a_patch_has_at_most_ten_thousand_operations() -> None:
    operations = [{"op": "test", "path": "", "value": {}}] * 10_001
    with pytest.raises(RequestEntityTooLarge) as caught:
        json_patch({}, operations)
    assert caught.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copies_of_copies_end_at_three_megabytes() -> None:
    operations = [{"op": "add", "path": "/a", "value": "x" * 1000}]
    operations += [{"op": "copy", "from": "", "path": f"/b{number}"} for number in range(40)]
    with pytest.raises(Invalid, match="the accumulated size increase of copy is"):
        json_patch({}, operations)


def test_a_patch_can_be_applied_again() -> None:
    operations = [{"op": "add", "path": "/a", "value": {"b": []}}, {"op": "add", "path": "/a/b/-", "value": 1}]
    assert json_patch({}, operations) == json_patch({}, operations) == {"a": {"b": [1]}}
