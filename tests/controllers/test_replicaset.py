"""ReplicaSet: as many as asked for, from any beginning, and never anybody else's."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import Forbidden
from podling.client.resources import PODS, REPLICASETS
from podling.controllers.replicaset import CONTROLLER
from podling.env import rfc3339
from podling.reconcile.action import Action, Create, Delete
from podling.reconcile.batches import MOST, SLICE
from podling.reconcile.podranking import rank_for_deletion
from podling.reconcile.view import Snapshot
from tests.controllers.world import NOW, World, pod

LABELS = {"app": "web"}


def replica_set(replicas: int = 3, **more: Any) -> dict[str, Any]:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS, "annotations": {"note": "kept"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        },
    }
    return {"metadata": {"name": "web", "uid": "web-uid", "generation": 2} | more.pop("meta", {}), "spec": spec | more}


def owned(world: World) -> list[dict[str, Any]]:
    return [each for each in world.all(PODS) if _owner(each) == "web-uid" and not _deleting(each)]


def _owner(body: dict[str, Any]) -> str:
    references = body["metadata"].get("ownerReferences") or ()
    return next((each["uid"] for each in references if each.get("controller")), "")


def _deleting(body: dict[str, Any]) -> bool:
    return "deletionTimestamp" in body["metadata"]


def test_missing_pods_are_made_from_the_template_and_told() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(3))
    world.run(CONTROLLER)
    made = world.all(PODS)
    assert len(made) == 3
    assert all(each["metadata"]["name"].startswith("web-") for each in made)
    assert all(each["metadata"]["annotations"] == {"note": "kept"} for each in made)
    assert all(each["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] for each in made)
    assert [reason for reason, _ in world.told] == ["SuccessfulCreate"] * 3
    assert world.told[0][1] == f"Created pod: {made[0]['metadata']['name']}"


def test_creation_starts_slowly() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(10))
    view = world.view()
    found = view.of(REPLICASETS).get("default", "web")
    assert found is not None
    groups = [list(group) for group in CONTROLLER.reconcile(found, view)]
    assert [sum(isinstance(action, Create) for action in group) for group in groups] == [1, 2, 4, 3]


def test_very_many_pods_are_looked_at_with_pauses_and_written_in_small_groups() -> None:
    view = Snapshot(now=NOW)
    body = {"kind": "ReplicaSet", "apiVersion": "apps/v1"} | replica_set(10)
    body["metadata"]["namespace"] = "default"
    found = view.put(REPLICASETS, body)
    for number in range(2000):
        made = pod(f"p{number}", LABELS, owner="web-uid", node=f"n{number % 9}")
        made["metadata"] |= {"namespace": "default", "uid": f"u{number:04}", "creationTimestamp": rfc3339(NOW)}
        made |= {"kind": "Pod", "apiVersion": "v1"}
        view.put(PODS, made)
    groups = [list(group) for group in CONTROLLER.reconcile(found, view)]
    assert sum(not group for group in groups) >= 3 * 2000 // SLICE
    deleted = [action for group in groups for action in group if isinstance(action, Delete)]
    assert (len(deleted), max(map(len, groups)) <= MOST + 1) == (500, True)
    ranked = rank_for_deletion(view.of(PODS).list(), view.of(PODS).list(), NOW)
    assert [each.uid for each in deleted] == [each.head.uid for each in ranked[:500]]


def test_a_failing_creation_ends_the_plan_and_becomes_a_condition() -> None:
    world = World()
    body = world.add(REPLICASETS, replica_set(10))
    error = Forbidden('pods "web-" is forbidden: exceeded quota')
    world.refuse = lambda action: error if isinstance(action, Create) else None
    world.reconcile(CONTROLLER, REPLICASETS, body["metadata"])
    assert world.told == [("FailedCreate", f"Error creating: {error}")]
    world.reconcile(CONTROLLER, REPLICASETS, body["metadata"], failure=error)
    (condition,) = world.get(REPLICASETS, "web")["status"]["conditions"]
    assert condition == {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": rfc3339(NOW),
        "reason": "FailedCreate",
        "message": str(error),
    }
    written = len(world.done)
    world.reconcile(
        CONTROLLER, REPLICASETS, body["metadata"], failure=Forbidden('pods "web-" is forbidden: another name')
    )
    assert world.done[written:] == []  # each try fails in other words; telling them would be a write a try
    world.reconcile(CONTROLLER, REPLICASETS, body["metadata"])
    assert world.done[written:] == []  # who starts anew knows of no failure and yet does not take it back
    world.refuse = lambda action: None
    world.run(CONTROLLER)
    assert "conditions" not in world.get(REPLICASETS, "web")["status"]


def test_an_orphan_that_matches_is_adopted_and_counts() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(1))
    world.add(PODS, pod("stray", LABELS))
    world.run(CONTROLLER)
    assert [each["metadata"]["name"] for each in owned(world)] == ["stray"]


def test_a_pod_whose_labels_changed_is_released_and_replaced() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(1))
    world.add(PODS, pod("changed", {"app": "other"}, owner="web-uid"))
    world.run(CONTROLLER)
    assert _owner(world.get(PODS, "changed")) == ""
    assert len(owned(world)) == 1


def test_a_replicaset_that_is_being_deleted_makes_and_deletes_nothing() -> None:
    world = World()
    meta = {"deletionTimestamp": "2020-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    world.add(REPLICASETS, replica_set(5, meta=meta))
    world.add(PODS, pod("one", LABELS, owner="web-uid"))
    world.add(PODS, pod("stray", LABELS))
    world.run(CONTROLLER)
    assert [each["metadata"]["name"] for each in world.all(PODS)] == ["one", "stray"]
    assert _owner(world.get(PODS, "stray")) == ""


def test_status_counts_what_stands() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(4))
    world.add(PODS, pod("ready", LABELS, owner="web-uid"))
    world.add(PODS, pod("unready", LABELS, owner="web-uid", ready=False))
    world.add(PODS, pod("ended", LABELS, owner="web-uid", phase="Failed"))
    world.add(PODS, pod("going", LABELS, owner="web-uid", deleting=True))
    world.reconcile(CONTROLLER, REPLICASETS, {"name": "web", "namespace": "default"})
    assert world.get(REPLICASETS, "web")["status"] == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 2,
    }


def test_a_ready_pod_is_available_after_min_ready_seconds_and_the_set_comes_back_for_it() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(1, minReadySeconds=30))
    fresh = pod("fresh", LABELS, owner="web-uid")
    fresh["status"]["conditions"][0]["lastTransitionTime"] = rfc3339(NOW - 10)
    world.add(PODS, fresh)
    world.run(CONTROLLER)
    assert "availableReplicas" not in world.get(REPLICASETS, "web")["status"]
    assert world.again[-1] == pytest.approx(20.0)
    world.now += 20.0
    world.run(CONTROLLER)
    assert world.get(REPLICASETS, "web")["status"]["availableReplicas"] == 1


DELETED_FIRST = [
    ("the unassigned", pod("a"), pod("b", node="n1")),
    ("the pending", pod("a", node="n1", phase="Pending", ready=False), pod("b", node="n1")),
    ("the unready", pod("a", node="n1", ready=False), pod("b", node="n1")),
    (
        "the cheap",
        {
            **pod("a", node="n1"),
            "metadata": {"name": "a", "annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}},
        },
        pod("b", node="n1"),
    ),
    (
        "the often restarted",
        {
            **pod("a", node="n1"),
            "status": pod("a")["status"] | {"containerStatuses": [{"name": "c", "restartCount": 3}]},
        },
        pod("b", node="n1"),
    ),
    (
        "the young",
        {**pod("a", node="n1"), "metadata": {"name": "a", "creationTimestamp": rfc3339(NOW - 5)}},
        pod("b", node="n1"),
    ),
]


@pytest.mark.parametrize(
    ("first", "second"), [(a, b) for _, a, b in DELETED_FIRST], ids=[i for i, _, _ in DELETED_FIRST]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_of_too_many_the_least_useful_goes(first: dict[str, Any], second: dict[str, Any], swapped: bool) -> None:
    world = World()
    world.add(REPLICASETS, replica_set(1))
    for body in (second, first) if swapped else (first, second):
        each = copy.deepcopy(body)
        each["metadata"]["labels"] = LABELS
        each["metadata"]["ownerReferences"] = pod("x", owner="web-uid")["metadata"]["ownerReferences"]
        world.add(PODS, each)
    world.run(CONTROLLER)
    assert [each["metadata"]["name"] for each in world.all(PODS)] == ["b"]
    assert world.told == [("SuccessfulDelete", "Deleted pod: a")]


def test_of_equal_pods_those_on_the_fullest_node_go() -> None:
    world = World()
    world.add(REPLICASETS, replica_set(2))
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n2")):
        world.add(PODS, pod(name, LABELS, owner="web-uid", node=node))
    world.run(CONTROLLER)
    assert sorted(each["spec"]["nodeName"] for each in world.all(PODS)) == ["n1", "n2"]


@st.composite
def any_pod(draw: st.DrawFn) -> dict[str, Any]:
    body = pod(
        draw(st.sampled_from("abcdefgh")),
        draw(st.sampled_from([LABELS, {"app": "other"}, {}])),
        node=draw(st.sampled_from(["", "n1", "n2"])),
        phase=draw(st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"])),
        ready=draw(st.booleans()),
        deleting=draw(st.booleans()),
    )
    owner = draw(st.sampled_from(["web-uid", "stranger", ""]))
    if owner:
        body["metadata"]["ownerReferences"] = pod("x", owner=owner)["metadata"]["ownerReferences"]
    return body


@given(st.integers(0, 12), st.lists(any_pod(), max_size=8), st.booleans())
def test_from_any_start_it_converges_rests_and_never_touches_strangers(
    replicas: int, pods: list[dict[str, Any]], fail_once: bool
) -> None:
    world = World()
    world.add(REPLICASETS, replica_set(replicas))
    for body in pods:
        world.add(PODS, body)
    strangers = {
        each["metadata"]["name"]: copy.deepcopy(each) for each in world.all(PODS) if _owner(each) == "stranger"
    }
    failures = [Forbidden("no")] if fail_once else []

    def refuse(action: Action) -> Forbidden | None:
        return failures.pop() if failures and isinstance(action, Create) else None

    world.refuse = refuse
    world.run(CONTROLLER)
    world.run(CONTROLLER)
    active = [each for each in owned(world) if each.get("status", {}).get("phase") not in ("Succeeded", "Failed")]
    assert len(active) == replicas
    assert world.get(REPLICASETS, "web")["status"]["replicas"] == replicas
    assert {name: world.get(PODS, name) for name in strangers} == strangers
    assert all(each["metadata"]["labels"] == LABELS for each in active)
