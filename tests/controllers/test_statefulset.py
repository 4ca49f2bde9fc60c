"""StatefulSet: names that stay, an order that holds, updates from the top down to the partition."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from podling.controllers.statefulset import CONTROLLER
from podling.env import rfc3339
from tests.controllers.workloads import Json, kubelet, settle, template
from tests.controllers.world import World, pod, ready


def stateful_set(replicas: int = 3, image: str = "v1", **more: Any) -> Json:
    spec = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(image),
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
    }
    return {"metadata": {"name": "db", "uid": "s-uid", "generation": 1}, "spec": spec | more}


def started(**more: Any) -> World:
    world = World()
    world.add(STATEFULSETS, stateful_set(**more))
    settle(world, [CONTROLLER])
    return world


def change(world: World, **spec: Any) -> None:
    body = world.get(STATEFULSETS, "db")
    body["spec"] |= spec
    body["metadata"]["generation"] += 1


def members(world: World) -> dict[str, str]:
    """Image by name."""
    return {
        each["metadata"]["name"]: each["spec"]["containers"][0]["image"]
        for each in sorted(world.all(PODS), key=lambda each: str(each["metadata"]["name"]))
    }


def turn(world: World) -> None:
    world.reconcile(CONTROLLER, STATEFULSETS, world.get(STATEFULSETS, "db")["metadata"])


def test_pods_have_names_hostnames_and_a_revision() -> None:
    world = started()
    assert list(members(world)) == ["db-0", "db-1", "db-2"]
    first = world.get(PODS, "db-0")
    (revision,) = world.all(CONTROLLERREVISIONS)
    assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("db-0", "db")
    assert first["metadata"]["labels"] == {
        "app": "web",
        "controller-revision-hash": revision["metadata"]["name"],
        "statefulset.kubernetes.io/pod-name": "db-0",
        "apps.kubernetes.io/pod-index": "0",
    }
    assert revision["data"]["spec"]["template"]["$patch"] == "replace"
    status = world.get(STATEFULSETS, "db")["status"]
    assert status["currentRevision"] == status["updateRevision"] == revision["metadata"]["name"]
    assert (status["readyReplicas"], status["currentReplicas"], status["updatedReplicas"]) == (3, 3, 3)
    assert ("SuccessfulCreate", "create Pod db-0 in StatefulSet db successful") in world.told


def test_in_order_each_waits_for_its_predecessor_and_in_parallel_nobody_waits() -> None:
    for policy, expected in (("OrderedReady", ["db-0"]), ("Parallel", ["db-0", "db-1", "db-2"])):
        world = World()
        world.add(STATEFULSETS, stateful_set(podManagementPolicy=policy))
        for _ in range(4):
            turn(world)
        assert list(members(world)) == expected


def test_scaling_down_takes_the_highest_one_at_a_time() -> None:
    world = started()
    world.get(PODS, "db-2")["metadata"]["finalizers"] = ["test/held"]
    change(world, replicas=0)
    settle(world, [CONTROLLER])
    assert list(members(world)) == ["db-0", "db-1", "db-2"]
    del world.objects[PODS, "default", "db-2"]
    settle(world, [CONTROLLER])
    deleted = [text for reason, text in world.told if reason == "SuccessfulDelete"]
    assert [text.split()[2] for text in deleted] == ["db-2", "db-1", "db-0"]


def test_ordinals_begin_where_told() -> None:
    world = started(ordinals={"start": 5})
    assert list(members(world)) == ["db-5", "db-6", "db-7"]
    change(world, ordinals={"start": 6})
    settle(world, [CONTROLLER])
    assert list(members(world)) == ["db-6", "db-7", "db-8"]


def test_an_update_goes_from_the_top_and_waits_for_each_to_be_ready() -> None:
    world = started()
    change(world, template=template("v2"))
    turn(world)
    assert list(members(world)) == ["db-0", "db-1"]
    turn(world)
    turn(world)
    assert members(world) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    status = world.get(STATEFULSETS, "db")["status"]
    assert status["currentRevision"] != status["updateRevision"]
    settle(world, [CONTROLLER])
    assert set(members(world).values()) == {"v2"}
    status = world.get(STATEFULSETS, "db")["status"]
    assert status["currentRevision"] == status["updateRevision"]
    assert len(world.all(CONTROLLERREVISIONS)) == 2


def test_below_the_partition_pods_stay_and_come_back_as_they_were() -> None:
    world = started(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    change(world, template=template("v2"))
    settle(world, [CONTROLLER])
    assert members(world) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    del world.objects[PODS, "default", "db-0"]
    settle(world, [CONTROLLER])
    assert members(world)["db-0"] == "v1"


def test_on_delete_updates_only_what_somebody_deleted() -> None:
    world = started(updateStrategy={"type": "OnDelete"})
    change(world, template=template("v2"))
    settle(world, [CONTROLLER])
    assert set(members(world).values()) == {"v1"}
    del world.objects[PODS, "default", "db-1"]
    settle(world, [CONTROLLER])
    assert members(world) == {"db-0": "v1", "db-1": "v2", "db-2": "v1"}


def test_as_many_as_may_be_unavailable_are_updated_at_once() -> None:
    rolling = {"partition": 0, "maxUnavailable": 2}
    world = started(podManagementPolicy="Parallel", updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    change(world, template=template("v2"))
    turn(world)
    assert list(members(world)) == ["db-0"]


def test_a_failed_pod_is_made_anew_under_its_name() -> None:
    world = started()
    world.get(PODS, "db-1")["status"]["phase"] = "Failed"
    settle(world, [CONTROLLER])
    assert world.get(PODS, "db-1")["status"]["phase"] == "Running"


def test_a_rollback_makes_the_old_revision_the_newest() -> None:
    world = started()
    for image in ("v2", "v1"):
        change(world, template=template(image))
        settle(world, [CONTROLLER])
    numbers = {
        each["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: each["revision"]
        for each in world.all(CONTROLLERREVISIONS)
    }
    assert numbers == {"v1": 3, "v2": 2}


def test_history_beyond_its_limit_is_forgotten() -> None:
    world = started(revisionHistoryLimit=1)
    for image in ("v2", "v3", "v4"):
        change(world, template=template(image))
        settle(world, [CONTROLLER])
    kept = {
        each["data"]["spec"]["template"]["spec"]["containers"][0]["image"] for each in world.all(CONTROLLERREVISIONS)
    }
    assert kept == {"v3", "v4"}


CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def test_each_pod_has_a_claim_of_its_own_that_stays_when_it_goes() -> None:
    world = started(volumeClaimTemplates=[CLAIM])
    change(world, replicas=1)
    settle(world, [CONTROLLER])
    names = sorted(each["metadata"]["name"] for each in world.all(PERSISTENTVOLUMECLAIMS))
    assert names == ["data-db-0", "data-db-1", "data-db-2"]
    (volume,) = world.get(PODS, "db-0")["spec"]["volumes"]
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
    assert world.get(PERSISTENTVOLUMECLAIMS, "data-db-0")["metadata"]["labels"] == {"app": "web"}


@pytest.mark.parametrize(("policy", "owner"), [("whenDeleted", "StatefulSet"), ("whenScaled", "Pod")])
def test_a_claim_that_shall_go_along_belongs_to_who_takes_it(policy: str, owner: str) -> None:
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain", policy: "Delete"}
    world = started(volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=retention)
    settle(world, [CONTROLLER])
    change(world, replicas=2)
    settle(world, [CONTROLLER])
    owners = {
        each["metadata"]["name"]: [owner["kind"] for owner in each["metadata"].get("ownerReferences") or ()]
        for each in world.all(PERSISTENTVOLUMECLAIMS)
    }
    expected = {"StatefulSet": {"data-db-0": ["StatefulSet"]}, "Pod": {"data-db-0": [], "data-db-2": ["Pod"]}}
    assert expected[owner].items() <= owners.items()


@given(
    st.integers(0, 5),
    st.sampled_from(["OrderedReady", "Parallel"]),
    st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 5), st.integers(0, 3)), max_size=3),
    st.lists(st.sampled_from(["db-0", "db-2", "db-7", "db-x", "other-0"]), unique=True, max_size=3),
    st.booleans(),
)
def test_from_any_start_it_converges_with_one_pod_an_ordinal_and_leaves_strangers(
    replicas: int, policy: str, changes: list[tuple[str, int, int]], orphans: list[str], foreign: bool
) -> None:
    world = World()
    world.add(STATEFULSETS, stateful_set(replicas, podManagementPolicy=policy))
    for name in orphans:
        world.add(PODS, pod(name, {"app": "web"}, **({"owner": "stranger"} if name == "other-0" and foreign else {})))
    strangers = {name: copy.deepcopy(world.get(PODS, name)) for name in orphans if name in ("db-x", "other-0")}
    for image, wanted, some in changes:
        change(world, template=template(image), replicas=wanted)
        for _ in range(some):
            turn(world)
            kubelet(world)
    settle(world, [CONTROLLER])
    image, wanted = (changes[-1][0], changes[-1][1]) if changes else ("v1", replicas)
    mine = {name: each for name, each in members(world).items() if name not in strangers}
    assert mine == {f"db-{ordinal}": image for ordinal in range(wanted)}
    assert {name: world.get(PODS, name) for name in strangers} == strangers
    status = world.get(STATEFULSETS, "db")["status"]
    assert (status["replicas"], status.get("updatedReplicas", 0)) == (wanted, wanted)
    assert status["currentRevision"] == status["updateRevision"]


def test_a_pod_is_waited_for_until_it_has_been_ready_long_enough() -> None:
    world = World()
    world.add(STATEFULSETS, stateful_set(2, minReadySeconds=30))
    turn(world)
    world.get(PODS, "db-0")["status"] = {"phase": "Running", "conditions": ready(since=rfc3339(world.now - 10))}
    turn(world)
    assert (list(members(world)), world.again[-1]) == (["db-0"], pytest.approx(20.0))
    world.now += 20
    turn(world)
    assert list(members(world)) == ["db-0", "db-1"]
