"""ReplicationController: the ReplicaSet's rules, a map as selector."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import PODS, REPLICATIONCONTROLLERS
from podling.controllers.replicationcontroller import CONTROLLER
from tests.controllers.workloads import settle, template
from tests.controllers.world import World, pod


def controller(replicas: int) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"app": "web"}, "template": template()}
    return {"metadata": {"name": "web", "uid": "rc-uid", "generation": 1}, "spec": spec}


def test_its_pods_are_controlled_by_a_core_kind_and_its_status_has_no_terminating_replicas() -> None:
    world = World()
    world.add(REPLICATIONCONTROLLERS, controller(2))
    settle(world, [CONTROLLER])
    owners = [each["metadata"]["ownerReferences"][0] for each in world.all(PODS)]
    assert [(each["apiVersion"], each["kind"]) for each in owners] == [("v1", "ReplicationController")] * 2
    assert world.get(REPLICATIONCONTROLLERS, "web")["status"] == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "observedGeneration": 1,
    }


@given(st.integers(0, 8), st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.booleans()), max_size=6))
def test_from_any_start_it_converges_and_leaves_strangers(wanted: int, found: list[tuple[str, bool, bool]]) -> None:
    world = World()
    world.add(REPLICATIONCONTROLLERS, controller(wanted))
    strangers = set()
    for name, matches, foreign in {each[0]: each for each in found}.values():
        world.add(PODS, pod(name, {"app": "web"} if matches else {}, **({"owner": "other"} if foreign else {})))
        strangers |= {name} if foreign or not matches else set()
    settle(world, [CONTROLLER])
    left = {each["metadata"]["name"] for each in world.all(PODS)}
    assert strangers <= left
    assert len(left - strangers) == wanted
