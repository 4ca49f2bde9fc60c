"""Strategic merge patch: lists merged by key or as sets, and every directive."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import BadRequest
from podling.api.patch import strategic_merge_patch
from podling.api.schema import load

SCHEMAS = load()
DEPLOYMENT = SCHEMAS.named("apps/v1.Deployment")
POD = SCHEMAS.named("core/v1.Pod")
SPEC = SCHEMAS.named("core/v1.PodSpec")
NODE = SCHEMAS.named("core/v1.Node")


def containers(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names]


def named(result: dict[str, Any]) -> list[str]:
    return [item["name"] for item in result["containers"]]


@pytest.mark.parametrize(
    ("old", "patch", "result"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "1", "args": ["x", "y"]}, {"name": "b"}]},
            {"containers": [{"name": "a", "image": "2", "args": ["z"]}]},
            {"containers": [{"name": "a", "image": "2", "args": ["z"]}, {"name": "b"}]},
            id="elements merge by their key, lists without a strategy are replaced",
        ),
        pytest.param(
            {"containers": containers("a", "b")},
            {"containers": containers("c")},
            {"containers": containers("c", "a", "b")},
            id="a new element comes first",
        ),
        pytest.param(
            {"containers": containers("a", "b", "c")},
            {"containers": [{"name": "b", "$patch": "delete"}]},
            {"containers": containers("a", "c")},
            id="$patch delete takes an element out",
        ),
        pytest.param(
            {"containers": containers("a", "b")},
            {"containers": [{"$patch": "replace"}, {"name": "x"}]},
            {"containers": containers("x")},
            id="$patch replace replaces the list",
        ),
        pytest.param(
            {"securityContext": {"runAsUser": 1, "fsGroup": 2}},
            {"securityContext": {"$patch": "replace", "runAsUser": 3}},
            {"securityContext": {"runAsUser": 3}},
            id="$patch replace replaces an object",
        ),
        pytest.param(
            {"securityContext": {"runAsUser": 1}},
            {"securityContext": {"$patch": "delete"}},
            {"securityContext": {}},
            id="$patch delete empties an object",
        ),
        pytest.param(
            {"nodeSelector": {"a": "1", "b": "2"}},
            {"nodeSelector": {"a": None, "c": "3"}},
            {"nodeSelector": {"b": "2", "c": "3"}},
            id="maps merge and null removes",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            id="$retainKeys drops the other alternatives of a union",
        ),
        pytest.param(
            {"containers": containers("a", "b", "c")},
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]},
            {"containers": containers("c", "a", "b")},
            id="$setElementOrder alone reorders",
        ),
        pytest.param(
            {"containers": containers("a", "b")},
            {
                "$setElementOrder/containers": [{"name": "a"}, {"name": "new"}, {"name": "b"}],
                "containers": [{"name": "new", "image": "i"}],
            },
            {"containers": [{"name": "a"}, {"name": "new", "image": "i"}, {"name": "b"}]},
            id="$setElementOrder places a new element",
        ),
        pytest.param(
            {"containers": containers("server", "a", "b")},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
            {"containers": containers("server", "b", "a")},
            id="what only the server has stays before what it stood before",
        ),
        pytest.param(
            {},
            {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "image": None}]},
            {"containers": containers("a")},
            id="a list that is new carries no nulls and no directives",
        ),
        pytest.param(
            {"restartPolicy": "Always"},
            {"restartPolicy": None, "nodeName": None},
            {},
            id="null removes, and what is not there stays away",
        ),
        pytest.param(
            {},
            {"securityContext": {"$patch": "merge", "runAsUser": 1, "fsGroup": None}},
            {"securityContext": {"runAsUser": 1}},
            id="an object that is new carries no nulls and no directives",
        ),
    ],
)
def test_a_pod_spec_is_patched(old: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert strategic_merge_patch(old, patch, SPEC) == result


@pytest.mark.parametrize(
    ("old", "patch", "result"),
    [
        (["a", "b"], {"finalizers": ["c", "a"]}, ["c", "a", "b"]),
        (["a", "b", "c"], {"$deleteFromPrimitiveList/finalizers": ["b", "x"]}, ["a", "c"]),
        (
            ["a", "b"],
            {
                "$deleteFromPrimitiveList/finalizers": ["a"],
                "$setElementOrder/finalizers": ["c", "b"],
                "finalizers": ["c"],
            },
            ["c", "b"],
        ),
        (["a", "b"], {"$setElementOrder/finalizers": ["b", "a"]}, ["b", "a"]),
    ],
    ids=["union", "delete", "delete and order", "order"],
)
def test_lists_of_scalars_merge_as_sets(old: list[str], patch: dict[str, Any], result: list[str]) -> None:
    out = strategic_merge_patch({"metadata": {"finalizers": old}}, {"metadata": patch}, POD)
    assert out["metadata"]["finalizers"] == result


def test_keys_lead_through_the_template_of_a_workload() -> None:
    old = {"spec": {"template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}}}}
    ports = [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "ports": ports}]}}}}
    out = strategic_merge_patch(old, patch, DEPLOYMENT)
    assert out["spec"]["template"]["spec"]["containers"][0]["ports"] == ports


def test_conditions_merge_by_type() -> None:
    old = {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk", "status": "False"}]}}
    patch = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    out = strategic_merge_patch(old, patch, NODE)
    assert [(one["type"], one["status"]) for one in out["status"]["conditions"]] == [
        ("Ready", "False"),
        ("Disk", "False"),
    ]


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ([1], "Invalid JSON Patch"),
        ({"$patch": "explode"}, "unknown patch type: explode"),
        ({"containers": [{"image": "x"}]}, "does not contain declared merge key: name"),
        ({"containers": [{"$patch": "merge", "name": "a"}]}, "merging lists cannot yet be specified in the patch"),
        ({"$retainKeys": ["x"], "nodeName": "n"}, "invalid patch format of retainKeys"),
        ({"$setElementOrder/containers": {}}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": [{"name": "a"}], "containers": containers("z")}, "The order in patch list"),
        (
            {
                "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                "containers": containers("b", "a"),
            },
            "doesn't match $setElementOrder list",
        ),
    ],
)
def test_a_malformed_patch_is_a_bad_request(patch: Any, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        strategic_merge_patch({"containers": containers("a", "b")}, patch, SPEC)
    assert says in caught.value.message


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


@given(NAMES, NAMES)
def test_an_order_that_names_all_elements_is_the_order(old: list[str], new: list[str]) -> None:
    """What kubectl apply sends: deletions, additions and the order of the whole list."""
    patch = {
        "$setElementOrder/containers": containers(*new),
        "containers": [
            *containers(*(name for name in new if name not in old)),
            *({"name": name, "$patch": "delete"} for name in old if name not in new),
        ],
    }
    assert named(strategic_merge_patch({"containers": containers(*old)}, patch, SPEC)) == new


@given(NAMES, NAMES)
def test_a_patch_stays_as_it_was_and_says_the_same_the_second_time(old: list[str], new: list[str]) -> None:
    patch = {"containers": containers(*new, image="i")}
    before = copy.deepcopy(patch)
    once = strategic_merge_patch({"containers": containers(*old)}, patch, SPEC)
    assert patch == before
    assert strategic_merge_patch(copy.deepcopy(once), patch, SPEC) == once
    assert set(named(once)) == {*old, *new}
