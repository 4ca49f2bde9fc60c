"""DaemonSet: one Pod on every node that takes it, replaced node by node."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from podling.controllers.daemonset import CONTROLLER
from podling.reconcile import pods as pod_facts
from tests.controllers.workloads import Json, kubelet, settle, template
from tests.controllers.world import World, pod


def daemon_set(image: str = "v1", **more: Any) -> Json:
    rolling = {"maxUnavailable": more.pop("unavailable", 1), "maxSurge": more.pop("surge", 0)}
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(image, **more.pop("pod", {})),
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "revisionHistoryLimit": 10,
    }
    return {"metadata": {"name": "agent", "uid": "ds-uid", "generation": 1}, "spec": spec | more}


def node(name: str, *taints: tuple[str, str], **labels: str) -> Json:
    spec = {"taints": [{"key": key, "effect": effect} for key, effect in taints]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec if taints else {}}


def started(*nodes: Json, **more: Any) -> World:
    world = World()
    for each in nodes:
        world.add(NODES, each)
    world.add(DAEMONSETS, daemon_set(**more))
    settle(world, [CONTROLLER])
    return world


def place(each: Json) -> str:
    affinity = each["spec"].get("affinity")
    if not affinity:
        return str(each["spec"].get("nodeName", ""))
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def places(world: World) -> list[tuple[str, str]]:
    return sorted((place(each), each["spec"]["containers"][0]["image"]) for each in world.all(PODS))


def change(world: World, image: str) -> None:
    body = world.get(DAEMONSETS, "agent")
    body["spec"]["template"] = template(image)
    body["metadata"]["generation"] += 1


def turn(world: World) -> None:
    world.reconcile(CONTROLLER, DAEMONSETS, world.get(DAEMONSETS, "agent")["metadata"])


def test_every_node_gets_a_pod_made_for_it() -> None:
    world = started(node("a"), node("b"))
    assert places(world) == [("a", "v1"), ("b", "v1")]
    made = world.all(PODS)[0]
    tolerated = {each["key"].removeprefix("node.kubernetes.io/") for each in made["spec"]["tolerations"]}
    assert tolerated == {
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    }
    (revision,) = world.all(CONTROLLERREVISIONS)
    hash = made["metadata"]["labels"]["controller-revision-hash"]
    assert revision["metadata"]["name"] == f"agent-{hash}"
    assert world.get(DAEMONSETS, "agent")["status"] == {
        "currentNumberScheduled": 2,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 2,
        "numberReady": 2,
        "observedGeneration": 1,
        "updatedNumberScheduled": 2,
        "numberAvailable": 2,
    }


LABELS = {"disk": "ssd"}
BELONGS = [
    ("a bare node", {}, node("n"), True),
    ("a cordoned node", {}, node("n", ("node.kubernetes.io/unschedulable", "NoSchedule")), True),
    ("a node that is not ready", {}, node("n", ("node.kubernetes.io/not-ready", "NoExecute")), True),
    ("a taint of somebody's", {}, node("n", ("dedicated", "NoSchedule")), False),
    ("a preference only", {}, node("n", ("dedicated", "PreferNoSchedule")), True),
    (
        "a tolerated taint",
        {"tolerations": [{"key": "dedicated", "operator": "Exists"}]},
        node("n", ("dedicated", "NoSchedule")),
        True,
    ),
    ("a label that is wanted", {"nodeSelector": LABELS}, node("n", **LABELS), True),
    ("a label that is missing", {"nodeSelector": LABELS}, node("n"), False),
    ("another node's name", {"nodeName": "m"}, node("n"), False),
    (
        "an affinity that holds",
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["hdd"]}]}
                        ]
                    }
                }
            }
        },
        node("n"),
        True,
    ),
]


@pytest.mark.parametrize(
    ("spec", "where", "expected"), [each[1:] for each in BELONGS], ids=[each[0] for each in BELONGS]
)
def test_a_pod_belongs_on(spec: Json, where: Json, expected: bool) -> None:
    world = started(copy.deepcopy(where), pod=spec)
    assert bool(world.all(PODS)) == expected
    assert world.get(DAEMONSETS, "agent")["status"]["desiredNumberScheduled"] == int(expected)


def test_a_pod_stays_under_a_taint_for_new_ones_and_goes_under_one_that_drives_out() -> None:
    world = started(node("a"))
    world.get(NODES, "a")["spec"]["taints"] = [{"key": "dedicated", "effect": "NoSchedule"}]
    settle(world, [CONTROLLER])
    assert len(world.all(PODS)) == 1
    assert world.get(DAEMONSETS, "agent")["status"]["numberMisscheduled"] == 1
    world.get(NODES, "a")["spec"]["taints"] = [{"key": "dedicated", "effect": "NoExecute"}]
    settle(world, [CONTROLLER])
    assert world.all(PODS) == []


def test_a_failed_pod_is_told_and_replaced() -> None:
    world = started(node("a"))
    world.all(PODS)[0]["status"]["phase"] = "Failed"
    settle(world, [CONTROLLER])
    assert [each["status"]["phase"] for each in world.all(PODS)] == ["Running"]
    assert "FailedDaemonPod" in [reason for reason, _ in world.told]


def test_an_update_replaces_no_more_than_may_be_unavailable() -> None:
    world = started(node("a"), node("b"), node("c"))
    change(world, "v2")

    def within() -> None:
        seen = world.view().of(PODS).list("default")
        assert sum(pod_facts.is_ready(each.view) for each in seen) >= 2

    settle(world, [CONTROLLER], check=within)
    assert {image for _, image in places(world)} == {"v2"}
    assert len(world.all(CONTROLLERREVISIONS)) == 2


def test_with_surge_the_new_pod_comes_first() -> None:
    world = started(node("a"), node("b"), unavailable=0, surge=1)
    change(world, "v2")
    turn(world)
    assert places(world) == [("a", "v1"), ("a", "v2"), ("b", "v1")]

    def within() -> None:
        seen = world.view().of(PODS).list("default")
        assert sum(pod_facts.is_ready(each.view) for each in seen) >= 2
        assert len(seen) <= 3

    settle(world, [CONTROLLER], check=within)
    assert places(world) == [("a", "v2"), ("b", "v2")]


def test_on_delete_replaces_only_what_somebody_deleted() -> None:
    world = started(node("a"), node("b"), updateStrategy={"type": "OnDelete"})
    change(world, "v2")
    settle(world, [CONTROLLER])
    assert {image for _, image in places(world)} == {"v1"}
    gone = next(each for each in world.all(PODS) if place(each) == "a")
    del world.objects[PODS, "default", gone["metadata"]["name"]]
    settle(world, [CONTROLLER])
    assert places(world) == [("a", "v2"), ("b", "v1")]


@given(
    st.lists(st.sampled_from("abcd"), unique=True),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["mine", "orphan", "stranger"])), max_size=5),
    st.integers(0, 2),
    st.integers(0, 3),
)
def test_from_any_start_it_converges_and_leaves_strangers(
    nodes: list[str], found: list[tuple[str, str]], surge: int, interrupted: int
) -> None:
    world = World()
    for name in nodes:
        world.add(NODES, node(name))
    world.add(DAEMONSETS, daemon_set(surge=surge, unavailable=0 if surge else 1))
    for number, (where, whose) in enumerate(found):
        owner = {"mine": {"owner": "ds-uid"}, "stranger": {"owner": "stranger"}, "orphan": {}}[whose]
        world.add(PODS, pod(f"{whose}-{number}", {"app": "web"}, node=where, **owner))
    strangers = {
        each["metadata"]["name"]: copy.deepcopy(each)
        for each in world.all(PODS)
        if each["metadata"]["name"].startswith("stranger")
    }
    for _ in range(interrupted):
        turn(world)
        kubelet(world)
    change(world, "v2")
    settle(world, [CONTROLLER])
    mine = [each for each in world.all(PODS) if each["metadata"]["name"] not in strangers]
    assert sorted(place(each) for each in mine) == sorted(nodes)
    assert {each["spec"]["containers"][0]["image"] for each in mine} <= {"v2"}
    assert {name: world.get(PODS, name) for name in strangers} == strangers
