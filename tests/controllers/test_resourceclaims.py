"""Pods get the claims of their templates; claims lose Pods that are over, then their devices, then their protection."""

from __future__ import annotations

from typing import Any

from podling.api.errors import NotFound
from podling.client.resources import PODS, RESOURCECLAIMS, RESOURCECLAIMTEMPLATES
from podling.controllers import podresourceclaim, resourceclaim
from podling.reconcile.action import Ask
from tests.controllers.world import World

Json = dict[str, Any]
PROTECTION = "resource.kubernetes.io/delete-protection"
REQUESTS = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}
ALLOCATION = {"devices": {"results": [{"request": "gpu", "driver": "d", "pool": "p", "device": "g0"}]}}


def pod(name: str, *claims: Json, node: str = "", phase: str = "Pending") -> Json:
    spec: Json = {"containers": [{"name": "c", "image": "x"}], "resourceClaims": list(claims)}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def from_template(name: str = "gpu", template: str = "t") -> Json:
    return {"name": name, "resourceClaimTemplateName": template}


def template() -> Json:
    said = {"metadata": {"labels": {"kind": "gpu"}}, "spec": REQUESTS}
    return {"metadata": {"name": "t"}, "spec": said}


def world_with(*pods: Json, templates: bool = True) -> World:
    world = World()
    world.answers = lambda question: asked(world, question)
    if templates:
        world.add(RESOURCECLAIMTEMPLATES, template())
    for each in pods:
        world.add(PODS, each)
    return world


def asked(world: World, question: Ask) -> Json | NotFound:
    found = (each for each in world.all(PODS) if question.path.endswith(each["metadata"]["name"]))
    return next(found, None) or NotFound("not found")


def settle(world: World) -> World:
    memories: dict[str, Json] = {}
    for _ in range(10):
        before = len(world.done)
        for each in (podresourceclaim, resourceclaim):
            world.remembered = memories.setdefault(each.__name__, {})
            world.run(each.CONTROLLER)
        if len(world.done) == before:
            return world
    raise AssertionError(world.done[-5:])


def claims(world: World) -> list[Json]:
    return world.all(RESOURCECLAIMS)


def held(name: str, *users: Json, deleting: bool = False, **more: Any) -> Json:
    """A claim that has a device, reserved for Pods."""
    reserved = [
        {"resource": "pods", "name": each["metadata"]["name"], "uid": each["metadata"]["uid"]} for each in users
    ]
    metadata: Json = {"name": name, "finalizers": [PROTECTION]} | more
    if deleting:
        metadata["deletionTimestamp"] = "2020-01-01T00:00:00Z"
    status = {"allocation": ALLOCATION, "reservedFor": reserved}
    return {"metadata": metadata, "spec": REQUESTS, "status": status}


def test_a_pod_gets_the_claims_of_its_templates_and_says_which() -> None:
    world = settle(world_with(pod("p", from_template("gpu"), from_template("other"))))
    made = claims(world)
    assert [each["metadata"]["generateName"] for each in made] == ["p-gpu-", "p-other-"]
    assert made[0]["metadata"]["annotations"] == {"resource.kubernetes.io/pod-claim-name": "gpu"}
    assert made[0]["metadata"]["labels"] == {"kind": "gpu"} and made[0]["spec"] == REQUESTS
    (owner,) = made[0]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Pod", world.get(PODS, "p")["metadata"]["uid"], True)
    statuses = world.get(PODS, "p")["status"]["resourceClaimStatuses"]
    assert {each["name"]: each["resourceClaimName"] for each in statuses} == {
        "gpu": made[0]["metadata"]["name"],
        "other": made[1]["metadata"]["name"],
    }


def test_a_claim_that_was_made_before_a_crash_is_found_again() -> None:
    world = settle(world_with(pod("p", from_template())))
    world.get(PODS, "p")["status"].pop("resourceClaimStatuses")
    settle(world)
    assert len(claims(world)) == 1
    assert (
        world.get(PODS, "p")["status"]["resourceClaimStatuses"][0]["resourceClaimName"]
        == claims(world)[0]["metadata"]["name"]
    )


def test_a_template_that_is_not_there_is_told_once() -> None:
    world = settle(world_with(pod("p", from_template()), templates=False))
    why = 'PodResourceClaim gpu: resource claim template "t": resourceclaimtemplate.resource.k8s.io "t" not found'
    assert world.told == [("FailedResourceClaimCreation", why)]
    world.add(RESOURCECLAIMTEMPLATES, template())
    assert len(claims(settle(world))) == 1


def test_pods_that_are_over_get_none() -> None:
    assert claims(settle(world_with(pod("p", from_template(), phase="Succeeded")))) == []


def test_a_pod_that_the_scheduler_did_not_place_is_reserved_for() -> None:
    world = world_with(pod("p", {"name": "gpu", "resourceClaimName": "c"}, node="n1"))
    world.add(RESOURCECLAIMS, held("c"))
    settle(world)
    (user,) = world.get(RESOURCECLAIMS, "c")["status"]["reservedFor"]
    assert user == {"resource": "pods", "name": "p", "uid": world.get(PODS, "p")["metadata"]["uid"]}


def test_the_last_pod_that_ends_gives_the_devices_back() -> None:
    world = world_with()
    users = [world.add(PODS, pod(name, {"name": "gpu", "resourceClaimName": "c"}, node="n1")) for name in ("a", "b")]
    world.add(RESOURCECLAIMS, held("c", *users))
    world.get(PODS, "a")["status"]["phase"] = "Succeeded"
    settle(world)
    kept = world.get(RESOURCECLAIMS, "c")
    assert [each["name"] for each in kept["status"]["reservedFor"]] == ["b"] and kept["status"]["allocation"]
    del world.objects[PODS, "default", "b"]
    settle(world)
    free = world.get(RESOURCECLAIMS, "c")
    assert free["status"] == {"reservedFor": []} and free["metadata"]["finalizers"] == []


def test_a_pod_that_only_the_api_knows_of_keeps_its_reservation() -> None:
    world = world_with()
    unseen = {"metadata": {"name": "new", "uid": "uid-new"}}
    world.answers = lambda question: unseen
    world.add(RESOURCECLAIMS, held("c", unseen))
    settle(world)
    assert len(world.get(RESOURCECLAIMS, "c")["status"]["reservedFor"]) == 1


def test_a_claim_that_is_being_allocated_keeps_its_protection() -> None:
    world = world_with()
    world.add(RESOURCECLAIMS, {"metadata": {"name": "c", "finalizers": [PROTECTION]}, "spec": REQUESTS})
    settle(world)
    assert world.get(RESOURCECLAIMS, "c")["metadata"]["finalizers"] == [PROTECTION]


def test_a_deleted_claim_waits_for_its_users_only() -> None:
    world = world_with()
    user = world.add(PODS, pod("p", {"name": "gpu", "resourceClaimName": "c"}, node="n1", phase="Running"))
    world.add(RESOURCECLAIMS, held("c", user, deleting=True))
    assert len(claims(settle(world))) == 1
    del world.objects[PODS, "default", "p"]
    assert claims(settle(world)) == []


def test_a_claim_of_a_template_goes_when_its_pod_is_done() -> None:
    world = settle(world_with(pod("p", from_template())))
    world.get(PODS, "p")["status"]["phase"] = "Succeeded"
    assert claims(settle(world)) == []
