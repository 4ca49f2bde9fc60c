"""Pods with generic ephemeral volumes get claims of their own."""

from __future__ import annotations

from typing import Any

from podling.api.errors import ApiError, Forbidden
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from podling.controllers import ephemeralvolume
from podling.reconcile.action import Create
from tests.controllers.world import World, pod

Json = dict[str, Any]
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def world_with(**more: Any) -> World:
    world = World()
    body = pod("web", **more)
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": SPEC}
    body["spec"]["volumes"] = [
        {"name": "config", "configMap": {"name": "x"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}},
    ]
    world.add(PODS, body)
    return world


def test_the_claim_is_named_after_the_pod_and_the_volume_and_owned_by_the_pod() -> None:
    world = world_with()
    world.run(ephemeralvolume.CONTROLLER)
    (made,) = world.all(PERSISTENTVOLUMECLAIMS)
    metadata = made["metadata"]
    assert (metadata["name"], metadata["labels"], metadata["annotations"]) == ("web-scratch", {"a": "b"}, {"c": "d"})
    assert made["spec"] == SPEC
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "Pod",
        "web",
        True,
        True,
    )
    assert owner["uid"] == world.get(PODS, "web")["metadata"]["uid"]


def test_a_claim_that_was_deleted_is_made_again() -> None:
    world = world_with()
    world.run(ephemeralvolume.CONTROLLER)
    del world.objects[PERSISTENTVOLUMECLAIMS, "default", "web-scratch"]
    world.run(ephemeralvolume.CONTROLLER)
    assert len(world.all(PERSISTENTVOLUMECLAIMS)) == 1


def test_a_claim_of_somebody_else_is_left_alone_and_the_pod_told() -> None:
    world = world_with()
    theirs = world.add(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "web-scratch"}, "spec": SPEC})
    world.run(ephemeralvolume.CONTROLLER)
    assert world.all(PERSISTENTVOLUMECLAIMS) == [theirs]
    text = "ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)"
    assert world.told == [("FailedBinding", text)] and world.again == [ephemeralvolume.RETRY]


def test_a_pod_on_its_way_out_gets_no_claim() -> None:
    world = world_with(deleting=True)
    world.run(ephemeralvolume.CONTROLLER)
    assert world.all(PERSISTENTVOLUMECLAIMS) == []


def test_a_refusal_is_told() -> None:
    world = world_with()

    def refused(action: object) -> ApiError | None:
        return Forbidden("exceeded quota") if isinstance(action, Create) else None

    world.refuse = refused
    world.run(ephemeralvolume.CONTROLLER)
    assert world.told == [("FailedBinding", "ephemeral volume scratch: create PVC web-scratch: exceeded quota")]
