"""Volumes of CSI drivers are attached where Pods need them, and detached when nobody uses them any more."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from podling.api.errors import Forbidden
from podling.client.resources import (
    CSIDRIVERS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    VOLUMEATTACHMENTS,
)
from podling.controllers import volumeattacher, volumedetacher
from tests.controllers.world import World

Json = dict[str, Any]
DRIVER, HANDLE = "disk.example.com", "disk-1"
UNIQUE = f"kubernetes.io/csi/{DRIVER}^{HANDLE}"
MANAGED = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}


def node(name: str, **more: Any) -> Json:
    healthy = {"type": "Ready", "status": "True" if more.pop("healthy", True) else "Unknown"}
    metadata = {"name": name, "annotations": more.pop("annotations", MANAGED)}
    return {"metadata": metadata, "spec": more, "status": {"conditions": [healthy]}}


def user(name: str, on: str, phase: str = "Running") -> Json:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": on, "containers": [{"name": "c", "image": "x"}], "volumes": [volume]},
        "status": {"phase": phase},
    }


def world_with(*pods: Json, nodes: tuple[Json, ...] = (node("n1"), node("n2")), **of_volume: Any) -> World:
    """A claim that is bound to a volume of a driver, and Pods that use it."""
    world = World()
    for each in nodes:
        world.add(NODES, each)
    spec = {"volumeName": "v", "accessModes": ["ReadWriteOnce"]}
    claim = world.add(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "c"}, "spec": spec, "status": {"phase": "Bound"}})
    held = {"namespace": "default", "name": "c", "uid": claim["metadata"]["uid"]}
    place = {"csi": {"driver": DRIVER, "volumeHandle": HANDLE}, "claimRef": held, "accessModes": ["ReadWriteOnce"]}
    world.add(PERSISTENTVOLUMES, {"metadata": {"name": "v"}, "spec": place | of_volume})
    for each in pods:
        world.add(PODS, each)
    return world


def settle(world: World) -> World:
    memories: dict[str, Json] = {}
    for _ in range(10):
        before = len(world.done)
        for each in (volumeattacher, volumedetacher):
            world.remembered = memories.setdefault(each.__name__, {})
            world.run(each.CONTROLLER)
        if len(world.done) == before:
            return world
    raise AssertionError(world.done[-5:])


def attached(world: World, error: str = "") -> World:
    """The driver's attacher has done its work, or says why it cannot."""
    for each in world.all(VOLUMEATTACHMENTS):
        each["status"] = {"attached": False, "attachError": {"message": error}} if error else {"attached": True}
    return settle(world)


def places(world: World) -> list[str]:
    return [each["spec"]["nodeName"] for each in world.all(VOLUMEATTACHMENTS)]


def listed(world: World, name: str = "n1") -> list[str]:
    return [each["name"] for each in world.get(NODES, name)["status"].get("volumesAttached", ())]


def test_a_volume_is_attached_where_its_pod_is() -> None:
    world = settle(world_with(user("p", "n1")))
    (made,) = world.all(VOLUMEATTACHMENTS)
    assert made["metadata"]["name"] == "csi-" + hashlib.sha256(f"{HANDLE}{DRIVER}n1".encode()).hexdigest()
    assert made["spec"] == {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "v"}}
    assert listed(world) == [] and world.told == []
    assert listed(attached(world)) == [UNIQUE]
    assert world.told == [("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "v" ')]


NOT_ATTACHED = {
    "a Pod that has ended": world_with(user("p", "n1", "Succeeded")),
    "a Pod without a node": world_with(user("p", "")),
    "a node that does so itself": world_with(user("p", "n1"), nodes=(node("n1", annotations={}),)),
    "a volume of another type": world_with(user("p", "n1"), csi=None, hostPath={"path": "/x"}),
    "a volume that is another claim's": world_with(
        user("p", "n1"), claimRef={"namespace": "default", "name": "c", "uid": "other"}
    ),
}


@pytest.mark.parametrize("world", NOT_ATTACHED.values(), ids=NOT_ATTACHED.keys())
def test_what_is_not_attached(world: World) -> None:
    assert places(settle(world)) == []


def test_a_driver_may_need_no_attaching() -> None:
    world = world_with(user("p", "n1"))
    world.add(CSIDRIVERS, {"metadata": {"name": DRIVER}, "spec": {"attachRequired": False}})
    assert places(settle(world)) == []


def test_an_attacher_that_fails_is_heard_once_for_each_reason() -> None:
    world = attached(settle(world_with(user("p", "n1"))), "no such disk")
    assert world.told == [("FailedAttachVolume", 'AttachVolume.Attach failed for volume "v" : no such disk')]
    assert listed(world) == []


def test_what_the_api_refuses_is_told() -> None:
    world = world_with(user("p", "n1"))
    metadata = world.get(PODS, "p")["metadata"]
    world.reconcile(volumeattacher.CONTROLLER, PODS, metadata, Forbidden("not today"))
    assert world.told == [("FailedAttachVolume", 'AttachVolume.Attach failed for volume "v" : not today')]


def test_a_volume_of_one_node_waits_until_the_other_node_is_rid_of_it() -> None:
    world = attached(settle(world_with(user("old", "n1"))))
    world.told.clear()
    world.add(PODS, user("new", "n2"))
    assert places(settle(world)) == ["n1"]
    assert world.told == [
        ("FailedAttachVolume", 'Multi-Attach error for volume "v" Volume is already used by pod(s) old')
    ]
    del world.objects[PODS, "default", "old"]
    assert places(settle(world)) == ["n2"] and listed(world) == []


def test_a_volume_of_many_nodes_is_attached_to_each() -> None:
    world = settle(world_with(user("a", "n1"), user("b", "n2"), user("c", "n2"), accessModes=["ReadWriteMany"]))
    assert places(world) == ["n1", "n2"]


def left(**of_node: Any) -> World:
    """An attached volume that the node still mounts, and whose Pod is gone."""
    world = attached(settle(world_with(user("p", "n1"), nodes=(node("n1", **of_node),))))
    world.get(NODES, "n1")["status"]["volumesInUse"] = [UNIQUE]
    del world.objects[PODS, "default", "p"]
    return world


def test_a_volume_is_not_taken_from_a_node_that_uses_it() -> None:
    world = settle(left())
    assert places(world) == ["n1"] and listed(world) == [UNIQUE] and world.again
    world.get(NODES, "n1")["status"]["volumesInUse"] = []
    assert places(settle(world)) == [] and listed(world) == []


@pytest.mark.parametrize(("healthy", "after"), [(True, ["n1"]), (False, [])], ids=["healthy", "unhealthy"])
def test_after_six_minutes_only_an_unhealthy_node_is_not_asked_any_more(healthy: bool, after: list[str]) -> None:
    world = left(healthy=healthy)
    world.remembered = {}
    world.run(volumedetacher.CONTROLLER)
    world.now += 359
    world.run(volumedetacher.CONTROLLER)
    assert places(world) == ["n1"]
    world.now += 2
    world.run(volumedetacher.CONTROLLER)
    assert places(world) == after


def test_a_node_out_of_service_is_not_asked_at_all() -> None:
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    assert places(settle(left(taints=[taint]))) == []


def test_what_is_attached_to_a_node_that_is_gone_is_detached() -> None:
    world = attached(settle(world_with(user("p", "n1"))))
    del world.objects[NODES, "", "n1"]
    assert places(settle(world)) == ["n1"], "its Pod is still there"
    del world.objects[PODS, "default", "p"]
    assert places(settle(world)) == []


def test_attachments_of_others_are_left_alone() -> None:
    world = world_with()
    spec = {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "v"}}
    world.add(VOLUMEATTACHMENTS, {"metadata": {"name": "mine"}, "spec": spec})
    assert places(settle(world)) == ["n1"]
