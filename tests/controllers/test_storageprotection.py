"""Volumes and claims that are in use stay."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.errors import ServiceUnavailable
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTRIBUTESCLASSES
from podling.controllers import pvcprotection, pvprotection, vacprotection
from tests.controllers.world import LONG_AGO, World, pod

Json = dict[str, Any]


def claim(deleting: bool = True, finalizers: list[str] | None = None) -> Json:
    kept = [pvcprotection.FINALIZER, "other/one"] if finalizers is None else finalizers
    metadata: Json = {"name": "c", "finalizers": kept}
    return {"metadata": metadata | ({"deletionTimestamp": LONG_AGO} if deleting else {})}


def using(name: str = "p", node: str = "n1") -> Json:
    body = pod(name, node=node)
    body["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    return body


def world_with(*pods: Json, **asked: Any) -> World:
    world = World()
    world.add(PERSISTENTVOLUMECLAIMS, claim(**asked))
    for body in pods:
        world.add(PODS, body)
    world.answers = lambda question: {"items": world.all(PODS)}
    return world


def finalizers(world: World) -> list[str]:
    world.run(pvcprotection.CONTROLLER)
    return list(world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["finalizers"])


def test_a_claim_that_a_pod_on_a_node_mounts_keeps_its_finalizer() -> None:
    assert finalizers(world_with(using())) == [pvcprotection.FINALIZER, "other/one"]


@pytest.mark.parametrize("pods", [(), (using(node=""),), (pod("p", node="n1"),)], ids=["none", "unscheduled", "other"])
def test_a_claim_that_nobody_mounts_is_let_go(pods: tuple[Json, ...]) -> None:
    assert finalizers(world_with(*pods)) == ["other/one"]


def test_the_api_is_asked_before_a_claim_is_let_go() -> None:
    world = world_with()
    world.answers = lambda question: {"items": [{**using(), "metadata": {"name": "unseen"}}]}
    assert finalizers(world) == [pvcprotection.FINALIZER, "other/one"]
    world.answers = lambda question: ServiceUnavailable("no")
    assert finalizers(world) == [pvcprotection.FINALIZER, "other/one"]
    assert world.again == [pvcprotection.RETRY]


def test_a_claim_that_lost_its_finalizer_gets_it_back() -> None:
    assert finalizers(world_with(deleting=False, finalizers=[])) == [pvcprotection.FINALIZER]


def test_a_pods_own_volume_is_let_go_with_the_pod() -> None:
    world = World()
    body = pod("p", node="n1")
    body["spec"]["volumes"] = [{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}]
    owner = world.add(PODS, body)
    made = claim()
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": owner["metadata"]["uid"], "controller": True}
    made["metadata"] |= {"name": "p-v", "ownerReferences": [reference]}
    world.add(PERSISTENTVOLUMECLAIMS, made)
    world.answers = lambda question: {"items": world.all(PODS)}
    world.run(pvcprotection.CONTROLLER)
    assert pvcprotection.FINALIZER in world.get(PERSISTENTVOLUMECLAIMS, "p-v")["metadata"]["finalizers"]
    del world.objects[PODS, "default", "p"]
    world.run(pvcprotection.CONTROLLER)
    assert pvcprotection.FINALIZER not in world.get(PERSISTENTVOLUMECLAIMS, "p-v")["metadata"]["finalizers"]


def volume(phase: str) -> World:
    world = World()
    metadata = {"name": "v", "finalizers": [pvprotection.FINALIZER, "other/one"], "deletionTimestamp": LONG_AGO}
    world.add(PERSISTENTVOLUMES, {"metadata": metadata, "status": {"phase": phase}})
    world.run(pvprotection.CONTROLLER)
    return world


@pytest.mark.parametrize(("phase", "held"), [("Bound", True), ("Released", False), ("Available", False)])
def test_a_volume_is_let_go_unless_it_is_bound(phase: str, held: bool) -> None:
    kept = volume(phase).get(PERSISTENTVOLUMES, "v")["metadata"]["finalizers"]
    assert (pvprotection.FINALIZER in kept) is held


@pytest.mark.parametrize(
    ("claim", "held"),
    [
        ({"spec": {"volumeAttributesClassName": "gold"}}, True),
        ({"spec": {}, "status": {"currentVolumeAttributesClassName": "gold"}}, True),
        ({"spec": {"volumeAttributesClassName": "silver"}}, False),
    ],
    ids=["wanted", "still has", "another"],
)
def test_a_class_of_attributes_is_let_go_when_nobody_names_it(claim: Json, held: bool) -> None:
    world = World()
    metadata = {"name": "gold", "finalizers": [vacprotection.FINALIZER, "other/one"], "deletionTimestamp": LONG_AGO}
    world.add(VOLUMEATTRIBUTESCLASSES, {"metadata": metadata, "driverName": "x"})
    world.add(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "c"}, **claim})
    world.run(vacprotection.CONTROLLER)
    kept = world.get(VOLUMEATTRIBUTESCLASSES, "gold")["metadata"]["finalizers"]
    assert (vacprotection.FINALIZER in kept) is held
