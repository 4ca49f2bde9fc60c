"""A patch that says which fields it touches leaves the rest unread, and gives the same object as one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.schema import load
from podling.apiserver.endpoints.patch import _checked, _kept
from podling.apiserver.message import Request
from podling.apiserver.registry.patching import MERGE_PATCH, STRATEGIC, parse_patch
from tests.api.kinds import objects

POD = load().kind("", "v1", "Pod")

parts = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.sampled_from([{"labels": {"a": "b"}}, {"annotations": None}, {}]),
        "spec": st.sampled_from(
            [{"hostname": "x"}, {"unknown": 1}, {"containers": [{"name": "c", "image": "i"}]}, None]
        ),
        "status": st.sampled_from([{"phase": "Running"}, None]),
        "more": st.just(1),
    },
)


def patched(body: bytes, kind: str, *, quickly: bool) -> tuple[Any, ...]:
    assert POD is not None
    patch = parse_patch(kind, body, POD)
    new = patch.apply(objects.base("Pod"))
    request = Request("PATCH", "/")
    kept = _kept(new, patch.touched) if quickly else {}
    value = _checked(request, new, kept, POD, "Warn")
    return value, [*value], request.warnings


@given(parts, st.sampled_from([MERGE_PATCH, STRATEGIC]))
def test_what_is_not_touched_need_not_be_read(patch: dict[str, Any], kind: str) -> None:
    body = json.dumps(patch).encode()
    # What is in the store has been checked and defaulted, as the slow way does it here once more.
    assert patched(body, kind, quickly=True)[1:] == patched(body, kind, quickly=False)[1:]
    quick, slow = (patched(body, kind, quickly=each)[0] for each in (True, False))
    for name, value in quick.items():
        assert value == slow[name] or name not in patch


@pytest.mark.parametrize("body", [b'{"$patch":"replace","metadata":{"name":"x"}}', b"[]"])
def test_a_patch_of_the_whole_touches_all(body: bytes) -> None:
    assert parse_patch(STRATEGIC, body, POD).touched is None
