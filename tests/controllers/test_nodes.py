"""Nodes that fall silent, taints, and the Pods that have to leave."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import LEASES, NAMESPACES, NODES, PODS
from podling.controllers import nodelifecycle, podgc, tainteviction, terminatedpodgc
from podling.env import rfc3339, rfc3339_micro
from podling.reconcile.view import Settings
from tests.controllers.world import NOW, World, pod

GRACE = 50.0


def node(status: str = "True", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n1"}, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": status}]}}


def world_of(body: dict[str, Any], renewed: float) -> World:
    world = World()
    world.add(NODES, body)
    lease = {"metadata": {"name": "n1"}, "spec": {"renewTime": rfc3339_micro(renewed)}}
    world.add(LEASES, lease, "kube-node-lease")
    return world


def taints(world: World) -> list[tuple[str, str]]:
    return [(each["key"], each["effect"]) for each in world.get(NODES, "n1")["spec"].get("taints") or ()]


def test_a_node_that_renews_its_lease_is_looked_at_again_when_it_could_be_late() -> None:
    world = world_of(node(), NOW - 10)
    world.run(nodelifecycle.CONTROLLER)
    assert world.done == []
    assert world.again == [pytest.approx(GRACE - 10 + 0.1)]


def test_a_silent_node_becomes_unknown_unreachable_and_its_pods_unready() -> None:
    world = world_of(node(), NOW - GRACE - 1)
    world.add(PODS, pod("p", node="n1"))
    world.run(nodelifecycle.CONTROLLER)
    conditions = {each["type"]: each for each in world.get(NODES, "n1")["status"]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert conditions["Ready"]["message"] == "Kubelet stopped posting node status."
    assert conditions["DiskPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert taints(world) == [
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    ]
    assert world.get(PODS, "p")["status"]["conditions"][0]["status"] == "False"
    assert world.told == [("NodeNotReady", "Node is not ready")]


def test_a_kubelet_that_is_back_is_believed_before_it_renews_its_lease() -> None:
    body = node()
    body["status"]["conditions"][0]["lastHeartbeatTime"] = rfc3339(NOW - 1)
    world = world_of(body, NOW - 10_000)
    world.add(PODS, pod("p", node="n1"))
    world.run(nodelifecycle.CONTROLLER)
    assert world.done == []


def test_a_control_plane_that_just_started_gives_every_node_its_time() -> None:
    world = world_of(node(), NOW - 10_000)
    world.settings = type(world.settings)(started=NOW - 5)
    world.run(nodelifecycle.CONTROLLER)
    assert world.done == []


def test_taints_follow_the_conditions_and_other_taints_stay() -> None:
    mine = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    world = world_of(node("False", unschedulable=True, taints=[mine]), NOW)
    world.run(nodelifecycle.CONTROLLER)
    assert taints(world) == [
        ("dedicated", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]
    body = world.get(NODES, "n1")
    body["status"]["conditions"][0]["status"] = "True"
    body["spec"]["unschedulable"] = False
    world.run(nodelifecycle.CONTROLLER)
    assert taints(world) == [("dedicated", "NoSchedule")]


EVICT = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": rfc3339(NOW - 100)}
TOLERATIONS = [
    ("none", [], 0.0),
    ("for less than it lasts", [{"operator": "Exists", "tolerationSeconds": 60}], 0.0),
    ("for longer", [{"key": EVICT["key"], "operator": "Exists", "tolerationSeconds": 300}], 200.0),
    ("for ever", [{"operator": "Exists"}], None),
    ("another taint", [{"key": "other", "operator": "Exists"}], 0.0),
]


@pytest.mark.parametrize(
    ("tolerations", "left"), [case[1:] for case in TOLERATIONS], ids=[case[0] for case in TOLERATIONS]
)
def test_a_pod_leaves_a_tainted_node_when_its_toleration_ends(tolerations: list[Any], left: float | None) -> None:
    world = world_of(node("Unknown", taints=[EVICT]), NOW)
    body = pod("p", node="n1")
    body["spec"]["tolerations"] = tolerations
    world.add(PODS, body)
    world.run(tainteviction.CONTROLLER)
    assert (world.all(PODS) == []) == (left == 0.0)
    assert world.again[:1] == ([left] if left else [])
    if left == 0.0:
        assert world.told == [("TaintManagerEviction", "Marking for deletion Pod default/p")]
    if left:
        world.now += left
        world.run(tainteviction.CONTROLLER)
        assert world.all(PODS) == []


def test_a_taint_put_on_by_hand_counts_from_when_it_was_seen() -> None:
    world = world_of(node(taints=[{"key": "by-hand", "effect": "NoExecute"}]), NOW)
    body = pod("p", node="n1")
    body["spec"]["tolerations"] = [{"operator": "Exists", "tolerationSeconds": 60}]
    world.add(PODS, body)
    world.run(tainteviction.CONTROLLER)
    assert world.again[:1] == [60.0] and len(world.all(PODS)) == 1
    world.now += 60
    world.run(tainteviction.CONTROLLER)
    assert world.all(PODS) == []


def test_a_pod_that_has_to_leave_says_that_it_did_not_fail_by_itself() -> None:
    world = world_of(node("Unknown", taints=[EVICT]), NOW)
    world.add(PODS, pod("p", node="n1"))["metadata"]["finalizers"] = ["test/held"]
    world.run(tainteviction.CONTROLLER)
    conditions = {each["type"]: each for each in world.get(PODS, "p")["status"]["conditions"]}
    condition = conditions["DisruptionTarget"]
    assert condition["status"] == "True"
    assert condition["reason"] == "DeletionByTaintManager"
    assert condition["message"] == "Taint manager: deleting due to NoExecute taint"


def test_a_pod_of_a_node_that_is_gone_is_marked_and_deleted() -> None:
    world = World()
    world.add(PODS, pod("p", node="gone"))
    world.add(PODS, pod("unbound"))
    world.run(podgc.CONTROLLER)
    assert [each["metadata"]["name"] for each in world.all(PODS)] == ["unbound"]


def test_of_the_pods_that_have_ended_only_so_many_are_kept_the_oldest_go() -> None:
    world = World(settings=Settings(terminated_pods=2))
    world.add(NAMESPACES, {"metadata": {"name": "kube-system"}})
    world.add(NAMESPACES, {"metadata": {"name": "other"}})
    for age, phase in enumerate(("Running", "Succeeded", "Failed", "Succeeded", "Failed")):
        body = pod(f"p{age}", phase=phase)
        body["metadata"]["creationTimestamp"] = rfc3339(NOW + age)
        world.add(PODS, body)
    world.get(PODS, "p4")["status"]["reason"] = "Evicted"
    world.reconcile(terminatedpodgc.CONTROLLER, NAMESPACES, {"name": "kube-system"})
    assert sorted(each["metadata"]["name"] for each in world.all(PODS)) == ["p0", "p2", "p3"]


def test_a_pod_that_ends_on_a_dead_node_goes_once_the_node_is_declared_out_of_service() -> None:
    out = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    world = world_of(node("Unknown"), NOW)
    body = pod("p", node="n1", deleting=True)
    del body["metadata"]["finalizers"]
    world.add(PODS, body)
    world.run(podgc.CONTROLLER)
    assert len(world.all(PODS)) == 1
    world.get(NODES, "n1")["spec"]["taints"] = [out]
    world.run(podgc.CONTROLLER)
    assert world.all(PODS) == []


def test_a_pod_may_be_bound_a_little_before_its_node_is_seen() -> None:
    world = World()
    body = pod("p", node="coming")
    body["metadata"]["creationTimestamp"] = rfc3339(NOW - 10)
    world.add(PODS, body)
    world.run(podgc.CONTROLLER)
    assert len(world.all(PODS)) == 1
    assert world.again == [pytest.approx(30.0)]
