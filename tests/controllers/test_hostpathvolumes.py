"""Claims of the cluster's own class get a folder of a node, grow with it, and take it with them."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from podling.controllers import (
    hostpathdeleter,
    hostpathprovisioner,
    hostpathresizer,
    persistentvolumebinder,
    persistentvolumereclaimer,
    pvprotection,
)
from podling.reconcile.hostpathvolumes import FINALIZER, FOLDER, NAME, ON_NODE, STANDARD
from tests.controllers.test_persistentvolumebinder import BOUND_BY, asked
from tests.controllers.world import World

Json = dict[str, Any]
SELECTED, ASKED = "volume.kubernetes.io/selected-node", "volume.kubernetes.io/storage-provisioner"
ALL = (
    persistentvolumebinder,
    hostpathprovisioner,
    persistentvolumereclaimer,
    hostpathresizer,
    hostpathdeleter,
    pvprotection,
)


def claim(annotations: Json | None = None, **more: Any) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"}
    metadata = {"name": "c", "annotations": annotations or {}}
    return {
        "metadata": metadata,
        "spec": spec | {"storageClassName": "standard"} | more,
        "status": {"phase": "Pending"},
    }


def node(name: str, folder: str = "/state/volumes", **labels: str) -> Json:
    annotations = {FOLDER: folder} if folder else {}
    return {"metadata": {"name": name, "annotations": annotations, "labels": {"kubernetes.io/hostname": name} | labels}}


def world_with(wish: Json, *nodes: Json, **of_class: Any) -> World:
    world = World()
    world.answers = lambda question: asked(world, question)
    world.add(STORAGECLASSES, dict(STANDARD) | of_class)
    for each in nodes:
        world.add(NODES, each)
    world.add(PERSISTENTVOLUMECLAIMS, wish)
    return world


def settle(world: World) -> World:
    memories: dict[str, Json] = {}
    for _ in range(10):
        before = len(world.done)
        for each in ALL:
            world.remembered = memories.setdefault(each.__name__, {})
            world.run(each.CONTROLLER)
        if len(world.done) == before:
            return world
    raise AssertionError(world.done[-5:])


def the_volume(world: World) -> Json:
    (found,) = world.all(PERSISTENTVOLUMES)
    return found


def reasons(world: World) -> list[str]:
    return [reason for reason, _ in world.told]


def test_nothing_is_made_before_a_consumer_has_a_node() -> None:
    world = settle(world_with(claim(), node("n1")))
    assert world.all(PERSISTENTVOLUMES) == [] and reasons(world) == ["WaitForFirstConsumer"]


def test_a_claim_gets_a_folder_of_the_node_that_was_chosen() -> None:
    world = settle(world_with(claim({SELECTED: "n2"}), node("n1"), node("n2", "/n2/volumes")))
    wish, made = world.get(PERSISTENTVOLUMECLAIMS, "c"), the_volume(world)
    name = f"pvc-{wish['metadata']['uid']}"
    assert wish["status"]["phase"] == "Bound" and wish["spec"]["volumeName"] == name == made["metadata"]["name"]
    assert wish["status"]["capacity"] == {"storage": "1Gi"} and wish["metadata"]["annotations"][ASKED] == NAME
    assert made["spec"]["hostPath"] == {"path": f"/n2/volumes/{name}", "type": "DirectoryOrCreate"}
    assert made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}
    ]
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete" and made["spec"]["storageClassName"] == "standard"
    assert made["metadata"]["annotations"] == {"pv.kubernetes.io/provisioned-by": NAME}
    assert made["metadata"]["labels"] == {ON_NODE: "n2"} and FINALIZER in made["metadata"]["finalizers"]
    assert BOUND_BY not in made["metadata"]["annotations"], "it was made for the claim"
    assert world.told == [
        ("ExternalProvisioning", world.told[0][1]),
        ("Provisioning", 'External provisioner is provisioning volume for claim "default/c"'),
        ("ProvisioningSucceeded", f"Successfully provisioned volume {name}"),
    ]


def test_a_class_that_does_not_wait_gets_the_first_real_node() -> None:
    simulated = node("a", "", **{"podling.dev/simulated": "true"})
    world = settle(world_with(claim(), simulated, node("c"), node("b"), volumeBindingMode="Immediate"))
    assert the_volume(world)["metadata"]["labels"] == {ON_NODE: "b"}


def test_a_class_that_does_not_wait_heeds_its_topologies() -> None:
    where = [{"matchLabelExpressions": [{"key": "zone", "values": ["x", "y"]}]}]
    nodes = node("a", zone="z"), node("b", zone="y")
    world = settle(world_with(claim(), *nodes, volumeBindingMode="Immediate", allowedTopologies=where))
    assert the_volume(world)["metadata"]["labels"] == {ON_NODE: "b"}


def test_on_a_simulated_node_no_data_is_waited_for() -> None:
    simulated = node("s", "", **{"podling.dev/simulated": "true"})
    world = settle(world_with(claim({SELECTED: "s"}), simulated))
    made = the_volume(world)
    assert made["spec"]["hostPath"]["path"].startswith("/simulated/pvc-")
    assert FINALIZER not in made["metadata"].get("finalizers", ())
    assert world.get(PERSISTENTVOLUMECLAIMS, "c")["status"]["phase"] == "Bound"


def test_a_node_that_is_gone_is_given_back_to_the_scheduler() -> None:
    world = settle(world_with(claim({SELECTED: "gone"}), node("n1")))
    assert SELECTED not in world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["annotations"]
    assert world.all(PERSISTENTVOLUMES) == []


def test_a_node_of_a_stranger_has_no_folder() -> None:
    world = settle(world_with(claim({SELECTED: "n1"}), node("n1", "")))
    assert ("ProvisioningFailed", _failed('node "n1" has no folder for volumes')) in world.told
    assert world.again and reasons(world).count("ProvisioningFailed") == 1


REFUSED = [
    ({"volumeMode": "Block"}, {}, "podling.dev/hostpath does not support block volume provisioning"),
    ({"selector": {"matchLabels": {"a": "b"}}}, {}, "claim Selector is not supported"),
    ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}, {}, "data sources are not supported"),
    ({"volumeAttributesClassName": "gold"}, {}, "VolumeAttributesClasses are not supported"),
    ({}, {"parameters": {"type": "ssd"}}, "unknown parameter of the StorageClass: type"),
    ({}, {"mountOptions": ["ro"]}, "mount options are not supported"),
]


@pytest.mark.parametrize(("wish", "of_class", "why"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_a_folder_cannot_be_is_refused_and_told_once(wish: Json, of_class: Json, why: str) -> None:
    world = settle(world_with(claim({SELECTED: "n1"}, **wish), node("n1"), **of_class))
    assert world.all(PERSISTENTVOLUMES) == []
    assert [text for reason, text in world.told if reason == "ProvisioningFailed"] == [_failed(why)]


def _failed(why: str) -> str:
    return f'failed to provision volume with StorageClass "standard": {why}'


def test_claims_of_other_provisioners_are_left_alone() -> None:
    world = settle(world_with(claim({SELECTED: "n1"}), node("n1"), provisioner="example.com/disk"))
    assert world.all(PERSISTENTVOLUMES) == [] and "Provisioning" not in reasons(world)


def released(policy: str = "Delete", *nodes: Json) -> World:
    """The claim of a volume has been deleted."""
    world = settle(world_with(claim({SELECTED: "n1"}), node("n1"), reclaimPolicy=policy))
    del world.objects[PERSISTENTVOLUMECLAIMS, "default", "c"]
    return settle(world)


def test_a_volume_without_its_claim_waits_for_its_data_to_go() -> None:
    left = the_volume(released())
    assert left["metadata"]["deletionTimestamp"] and left["status"]["phase"] == "Released"
    assert left["metadata"]["finalizers"] == [FINALIZER]


def test_data_on_a_node_that_is_gone_is_not_waited_for() -> None:
    world = released()
    del world.objects[NODES, "", "n1"]
    assert settle(world).all(PERSISTENTVOLUMES) == []


def test_a_retained_volume_stays_and_is_deleted_without_its_data() -> None:
    world = released("Retain")
    left = the_volume(world)
    assert left["status"]["phase"] == "Released" and "deletionTimestamp" not in left["metadata"]
    left["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z"
    assert settle(world).all(PERSISTENTVOLUMES) == []


def test_a_claim_that_grows_has_a_volume_that_grew() -> None:
    world = settle(world_with(claim({SELECTED: "n1"}), node("n1")))
    world.told.clear()
    world.get(PERSISTENTVOLUMECLAIMS, "c")["spec"]["resources"]["requests"]["storage"] = "3Gi"
    settle(world)
    assert the_volume(world)["spec"]["capacity"] == {"storage": "3Gi"}
    assert world.get(PERSISTENTVOLUMECLAIMS, "c")["status"]["capacity"] == {"storage": "3Gi"}
    name = the_volume(world)["metadata"]["name"]
    assert world.told == [
        ("Resizing", f"External resizer is resizing volume {name}"),
        ("VolumeResizeSuccessful", "Resize volume succeeded"),
    ]


def test_a_volume_of_another_provisioner_does_not_grow() -> None:
    world = settle(world_with(claim({SELECTED: "n1"}), node("n1")))
    the_volume(world)["metadata"]["annotations"] = {}
    world.get(PERSISTENTVOLUMECLAIMS, "c")["spec"]["resources"]["requests"]["storage"] = "3Gi"
    settle(world)
    assert the_volume(world)["spec"]["capacity"] == {"storage": "1Gi"}
