"""Sets of paths are trees in FieldsV1's shape; what they do is what Python's sets of paths do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.patch import fieldset
from podling.api.patch.fieldset import NotFields, Tree, common, join, parse, path_text, steps, without

STEPS = ["f:a", "f:b", "f:spec", 'k:{"port":80,"protocol":"TCP"}', 'k:{"port":443,"protocol":"TCP"}', 'v:"x"', "i:3"]
Paths = frozenset[tuple[str, ...]]
paths = st.frozensets(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4).map(tuple), max_size=8)


def tree_of(paths: Paths) -> Tree:
    """The plain way: every path goes in by itself."""
    out: dict[str, Any] = {}
    for path in paths:
        here = out
        for step in path:
            here = here.setdefault(step, {})
        here["."] = {}
    return parse(out)


def paths_of(tree: Tree) -> Paths:
    return frozenset(steps(tree))


@given(paths)
def test_a_tree_holds_the_paths_it_was_made_of(some: Paths) -> None:
    assert paths_of(tree_of(some)) == some


@given(paths, paths)
def test_joining_taking_away_and_sharing_are_those_of_sets(some: Paths, others: Paths) -> None:
    first, second = tree_of(some), tree_of(others)
    assert join(first, second) == tree_of(some | others)
    assert without(first, second) == tree_of(some - others)
    assert common(first, second) == tree_of(some & others)


@given(paths, paths)
def test_what_changes_nothing_gives_the_very_same_tree(some: Paths, others: Paths) -> None:
    first = tree_of(some | others)
    assert join(first, tree_of(others)) is first or not others
    assert without(tree_of(some), tree_of(others - some)) == tree_of(some)


@given(paths, paths)
def test_every_result_is_written_in_the_one_order(some: Paths, others: Paths) -> None:
    first, second = tree_of(some), tree_of(others)
    for tree in (join(first, second), without(first, second), common(first, second)):
        assert orjson.dumps(tree) == orjson.dumps(parse(orjson.loads(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS))))


@given(paths)
def test_a_text_that_is_read_and_written_is_the_same(some: Paths) -> None:
    text = orjson.dumps(tree_of(some))
    assert orjson.dumps(parse(orjson.loads(text))) == text


def test_equal_texts_share_one_tree() -> None:
    assert parse({"f:a": {"f:b": {}}}) is parse({"f:a": {"f:b": {}}})


def test_siblings_stand_in_upstreams_order() -> None:
    mixed: dict[str, Any] = {
        "i:2": {},
        "v:1": {},
        'k:{"n":443}': {},
        'k:{"n":80}': {},
        "f:b": {},
        "f:a": {"f:c": {}, ".": {}},
    }
    assert orjson.dumps(parse(mixed)) == (
        b'{"f:a":{".":{},"f:c":{}},"f:b":{},"k:{\\"n\\":80}":{},"k:{\\"n\\":443}":{},"v:1":{},"i:2":{}}'
    )


@pytest.mark.parametrize("value", [1, [], {"f:a": 1}, {"x": {}}, {"k:[]": {}}, {"k:": {}}, {"v:": {}}, {"i:x": {}}])
def test_what_is_no_set_is_refused(value: Any) -> None:
    with pytest.raises(NotFields):
        parse(value)


def test_paths_read_as_in_conflicts() -> None:
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:nodePort")
    assert path_text(path) == '.spec.ports[port=80,protocol="TCP"].nodePort'
    assert path_text(("f:metadata", "f:finalizers", fieldset.valued("a/b"))) == '.metadata.finalizers[="a/b"]'
