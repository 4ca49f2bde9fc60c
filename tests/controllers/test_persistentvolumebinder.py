"""Claims find their volumes, and volumes outlive their claims as their policy says."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.errors import Conflict, NotFound
from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from podling.controllers import persistentvolumebinder, persistentvolumereclaimer
from podling.reconcile.action import Action, Ask, Update
from tests.controllers.world import World, pod

Json = dict[str, Any]
BOUND_BY, COMPLETED = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"


def settle(world: World) -> World:
    """Both halves, in turns, until neither does anything."""
    world.answers = lambda question: asked(world, question)
    for _ in range(10):
        before = len(world.done)
        world.run(persistentvolumebinder.CONTROLLER)
        world.run(persistentvolumereclaimer.CONTROLLER)
        if len(world.done) == before:
            return world
    raise AssertionError(world.done[-5:])


def asked(world: World, question: Ask) -> Json | NotFound:
    found = (each for each in world.all(PERSISTENTVOLUMECLAIMS) if question.path.endswith(each["metadata"]["name"]))
    return next(found, None) or NotFound("not found")


def claim(name: str = "c", size: str = "1Gi", modes: tuple[str, ...] = ("ReadWriteOnce",), **more: Any) -> Json:
    metadata: Json = {"name": name, "annotations": more.pop("annotations", {})}
    spec = {"accessModes": list(modes), "resources": {"requests": {"storage": size}}, "volumeMode": "Filesystem"}
    return {"metadata": metadata, "spec": spec | {"storageClassName": ""} | more, "status": {"phase": "Pending"}}


def volume(name: str, size: str = "1Gi", modes: tuple[str, ...] = ("ReadWriteOnce",), **more: Any) -> Json:
    metadata: Json = {"name": name, "annotations": more.pop("annotations", {}), "labels": more.pop("labels", {})}
    spec = {
        "accessModes": list(modes),
        "capacity": {"storage": size},
        "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/data"},
    }
    return {"metadata": metadata, "spec": spec | more, "status": {"phase": "Pending"}}


def storage_class(name: str = "slow", provisioner: str = "example.com/disk", waits: bool = False, **more: Any) -> Json:
    mode = "WaitForFirstConsumer" if waits else "Immediate"
    return {"metadata": {"name": name, **more}, "provisioner": provisioner, "volumeBindingMode": mode}


def world_with(claims: list[Json], volumes: list[Json] | None = None, classes: list[Json] | None = None) -> World:
    world = World()
    for each in classes or []:
        world.add(STORAGECLASSES, each)
    for each in volumes or []:
        world.add(PERSISTENTVOLUMES, each)
    for each in claims:
        world.add(PERSISTENTVOLUMECLAIMS, each)
    return world


def show(world: World, name: str = "c") -> tuple[str, str]:
    found = world.get(PERSISTENTVOLUMECLAIMS, name)
    return found["status"]["phase"], found["spec"].get("volumeName", "")


def phase(world: World, name: str) -> str:
    return str(world.get(PERSISTENTVOLUMES, name)["status"]["phase"])


def test_a_claim_and_its_volume_name_each_other() -> None:
    world = world_with([claim()], [volume("v", "2Gi")])
    world.run(persistentvolumereclaimer.CONTROLLER)
    assert phase(world, "v") == "Available"
    settle(world)
    bound, held = world.get(PERSISTENTVOLUMECLAIMS, "c"), world.get(PERSISTENTVOLUMES, "v")
    assert show(world) == ("Bound", "v") and phase(world, "v") == "Bound"
    assert bound["metadata"]["annotations"] == {BOUND_BY: "yes", COMPLETED: "yes"}
    assert bound["status"]["capacity"] == {"storage": "2Gi"} and bound["status"]["accessModes"] == ["ReadWriteOnce"]
    reference = held["spec"]["claimRef"]
    assert (reference["kind"], reference["namespace"], reference["name"]) == ("PersistentVolumeClaim", "default", "c")
    assert reference["uid"] == bound["metadata"]["uid"] and held["metadata"]["annotations"] == {BOUND_BY: "yes"}


CHOICES: list[tuple[str, Json, list[Json], str]] = [
    ("the smallest that fits", claim(size="2Gi"), [volume("a", "5Gi"), volume("b", "3Gi"), volume("c", "1Gi")], "b"),
    (
        "the fewest modes first",
        claim(),
        [volume("a", "1Gi", ("ReadWriteOnce", "ReadOnlyMany")), volume("b", "9Gi")],
        "b",
    ),
    ("modes have to be there", claim(modes=("ReadWriteMany",)), [volume("a")], ""),
    ("sizes are compared as amounts", claim(size="1024Mi"), [volume("a", "1Gi")], "a"),
    ("too small", claim(size="2Gi"), [volume("a", "1Gi")], ""),
    ("another class", claim(storageClassName="x"), [volume("a", storageClassName="y")], ""),
    ("the same class", claim(storageClassName="x"), [volume("a"), volume("b", storageClassName="x")], "b"),
    (
        "labels",
        claim(selector={"matchLabels": {"tier": "gold"}}),
        [volume("a"), volume("b", labels={"tier": "gold"})],
        "b",
    ),
    ("another mode", claim(volumeMode="Block"), [volume("a")], ""),
    (
        "reserved for it, whatever its class and size",
        claim(),
        [volume("a"), volume("b", "9Gi", storageClassName="z", claimRef={"namespace": "default", "name": "c"})],
        "b",
    ),
    ("reserved for another", claim(), [volume("a", claimRef={"namespace": "default", "name": "d"})], ""),
    (
        "reserved for one of this name that is gone",
        claim(),
        [volume("a", claimRef={"namespace": "default", "name": "c", "uid": "old"})],
        "",
    ),
    ("named by the claim", claim(volumeName="b"), [volume("a"), volume("b", "9Gi")], "b"),
]


@pytest.mark.parametrize(("wish", "there", "chosen"), [each[1:] for each in CHOICES], ids=[each[0] for each in CHOICES])
def test_which_volume_a_claim_gets(wish: Json, there: list[Json], chosen: str) -> None:
    world = world_with([wish], there)
    world.run(persistentvolumereclaimer.CONTROLLER)
    settle(world)
    name = world.get(PERSISTENTVOLUMECLAIMS, "c")["spec"].get("volumeName", "")
    assert name == chosen
    assert show(world)[0] == ("Bound" if chosen else "Pending")


def test_a_volume_that_was_reserved_by_name_is_not_marked_as_bound_by_the_controller() -> None:
    world = settle(world_with([claim()], [volume("v", claimRef={"namespace": "default", "name": "c"})]))
    assert show(world) == ("Bound", "v")
    assert BOUND_BY not in world.get(PERSISTENTVOLUMES, "v")["metadata"]["annotations"]
    assert BOUND_BY in world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["annotations"]


MISMATCHES = [
    ({"storageClassName": "x"}, {}, "storageClassName does not match"),
    ({}, {"volumeMode": "Block"}, "incompatible volumeMode"),
    ({"modes": ("ReadWriteMany",)}, {}, "incompatible accessMode"),
    ({"size": "5Gi"}, {}, "requested PV is too small"),
]


@pytest.mark.parametrize(("wish", "there", "why"), MISMATCHES, ids=[each[2] for each in MISMATCHES])
def test_a_volume_that_is_named_and_cannot_be_had_says_why(wish: Json, there: Json, why: str) -> None:
    world = settle(world_with([claim(volumeName="v", **wish)], [volume("v", **there)]))
    assert ("VolumeMismatch", f'Cannot bind to requested volume "v": {why}') in world.told
    assert show(world)[0] == "Pending" and phase(world, "v") == "Available"


def test_a_volume_that_is_another_claims_is_not_given() -> None:
    taken = volume("v", claimRef={"namespace": "default", "name": "other", "uid": "u"})
    world = world_with([claim(volumeName="v")], [taken])
    world.run(persistentvolumebinder.CONTROLLER)
    assert world.told == [("FailedBinding", 'volume "v" already bound to a different claim.')]


WAITS = [
    (None, [], "FailedBinding", "no persistent volumes available for this claim and no storage class is set"),
    ("gone", [], "ProvisioningFailed", 'storageclass.storage.k8s.io "gone" not found'),
    (
        "slow",
        [storage_class(provisioner="kubernetes.io/no-provisioner")],
        "ProvisioningFailed",
        "no volume plugin matched name: kubernetes.io/no-provisioner",
    ),
    (
        "slow",
        [storage_class(waits=True)],
        "WaitForFirstConsumer",
        "waiting for first consumer to be created before binding",
    ),
]


@pytest.mark.parametrize(("named", "classes", "reason", "text"), WAITS, ids=[each[3] for each in WAITS])
def test_a_claim_that_waits_says_for_what_and_says_it_once(
    named: str | None, classes: list[Json], reason: str, text: str
) -> None:
    world = settle(world_with([claim(storageClassName=named)], classes=classes))
    assert world.told == [(reason, text)] and show(world) == ("Pending", "")


def test_why_a_claim_waits_is_told_again_before_the_event_expires() -> None:
    world = settle(world_with([claim()]))
    world.now += persistentvolumebinder.TOLD_AGAIN + 1
    settle(world)
    assert [reason for reason, _ in world.told] == ["FailedBinding", "FailedBinding"]


def test_pods_without_a_node_are_named_by_the_claim_that_waits_for_them() -> None:
    world = world_with([claim(storageClassName="slow")], classes=[storage_class(waits=True)])
    for name, node in (("b", ""), ("a", ""), ("placed", "n1")):
        body = pod(name, node=node)
        body["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        world.add(PODS, body)
    settle(world)
    assert world.told == [("WaitForPodScheduled", "waiting for pods a,b to be scheduled")]


def test_a_claim_that_waits_for_its_consumer_leaves_free_volumes_to_the_scheduler() -> None:
    there = volume("v", storageClassName="slow")
    world = world_with([claim(storageClassName="slow")], [there], [storage_class(waits=True)])
    world.run(persistentvolumereclaimer.CONTROLLER)
    settle(world)
    assert show(world) == ("Pending", "") and phase(world, "v") == "Available"
    chosen = world.get(PERSISTENTVOLUMES, "v")
    uid = world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["uid"]
    chosen["spec"]["claimRef"] = {"namespace": "default", "name": "c", "uid": uid}
    settle(world)
    assert show(world) == ("Bound", "v") and phase(world, "v") == "Bound"


PROVISIONERS = [("example.com/disk", "example.com/disk"), ("kubernetes.io/aws-ebs", "ebs.csi.aws.com")]


@pytest.mark.parametrize(("named", "external"), PROVISIONERS)
def test_an_external_provisioner_is_asked_by_annotation(named: str, external: str) -> None:
    waiting = claim(storageClassName="slow", annotations={"volume.kubernetes.io/selected-node": "n1"})
    world = settle(world_with([waiting], classes=[storage_class(provisioner=named, waits=True)]))
    annotations = world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["annotations"]
    assert annotations["volume.kubernetes.io/storage-provisioner"] == external
    assert annotations["volume.beta.kubernetes.io/storage-provisioner"] == external
    ((reason, text),) = world.told
    assert reason == "ExternalProvisioning" and f"the external provisioner '{external}' or manually" in text


def test_a_claim_that_never_said_a_class_gets_the_default_one_when_there_is_one() -> None:
    marked = storage_class(annotations={"storageclass.kubernetes.io/is-default-class": "true"})
    wish = claim(storageClassName=None)
    world = settle(world_with([wish, claim("none")], classes=[marked]))
    assert world.get(PERSISTENTVOLUMECLAIMS, "c")["spec"]["storageClassName"] == "slow"
    assert world.get(PERSISTENTVOLUMECLAIMS, "none")["spec"]["storageClassName"] == ""


def bound_world(**more: Any) -> World:
    world = world_with([claim()], [volume("v", **more)])
    world.run(persistentvolumereclaimer.CONTROLLER)
    return settle(world)


def test_a_claim_whose_volume_is_gone_is_lost() -> None:
    world = bound_world()
    del world.objects[PERSISTENTVOLUMES, "", "v"]
    settle(world)
    assert show(world) == ("Lost", "v")
    assert world.told == [("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")]


def test_a_claim_whose_volume_was_given_to_another_is_lost() -> None:
    world = bound_world()
    world.get(PERSISTENTVOLUMES, "v")["spec"]["claimRef"]["uid"] = "another"
    world.run(persistentvolumebinder.CONTROLLER)
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    assert show(world)[0] == "Lost" and world.told == [("ClaimMisbound", text)]


def without_claim(**more: Any) -> World:
    world = bound_world(**more)
    del world.objects[PERSISTENTVOLUMECLAIMS, "default", "c"]
    return settle(world)


def test_a_retained_volume_is_released_and_free_again_when_its_reference_is_taken_off() -> None:
    world = without_claim()
    assert phase(world, "v") == "Released"
    world.add(PERSISTENTVOLUMECLAIMS, claim())
    settle(world)
    assert show(world) == ("Pending", ""), "a new claim of the old name does not get the old data"
    del world.get(PERSISTENTVOLUMES, "v")["spec"]["claimRef"]
    settle(world)
    assert show(world) == ("Bound", "v")


FAILURES = [
    ({"persistentVolumeReclaimPolicy": "Recycle"}, "VolumeFailedRecycle", "No recycler plugin found for the volume!"),
    (
        {"persistentVolumeReclaimPolicy": "Delete"},
        "VolumeFailedDelete",
        "host_path deleter only supports /tmp/.+ but received provided /data",
    ),
    (
        {"persistentVolumeReclaimPolicy": "Delete", "hostPath": None, "nfs": {"server": "s", "path": "/"}},
        "VolumeFailedDelete",
        'error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
    ),
]


@pytest.mark.parametrize(("spec", "reason", "text"), FAILURES, ids=["recycle", "path", "nfs"])
def test_what_cannot_be_reclaimed_fails_and_says_why(spec: Json, reason: str, text: str) -> None:
    world = without_claim(**spec)
    status = world.get(PERSISTENTVOLUMES, "v")["status"]
    assert (status["phase"], status["message"]) == ("Failed", text)
    assert world.told == [(reason, text)]


def test_a_volume_of_an_external_provisioner_is_left_to_it() -> None:
    made = {"pv.kubernetes.io/provisioned-by": "example.com/disk"}
    world = without_claim(persistentVolumeReclaimPolicy="Delete", annotations=made)
    assert phase(world, "v") == "Released" and world.told == []


def test_a_host_path_below_tmp_is_deleted_with_its_claim() -> None:
    world = without_claim(persistentVolumeReclaimPolicy="Delete", hostPath={"path": "/tmp/x"})
    assert world.all(PERSISTENTVOLUMES) == []


def test_a_volume_is_released_only_when_the_api_too_knows_its_claim_no_more() -> None:
    world = bound_world()
    gone = world.objects.pop((PERSISTENTVOLUMECLAIMS, "default", "c"))
    world.answers = lambda question: gone
    world.run(persistentvolumereclaimer.CONTROLLER)
    assert phase(world, "v") == "Bound" and world.again[-1:] == [persistentvolumereclaimer.RETRY]


def test_a_volume_that_was_reserved_for_a_claim_which_got_another_is_free_again() -> None:
    world = bound_world()
    uid = world.get(PERSISTENTVOLUMECLAIMS, "c")["metadata"]["uid"]
    reference = {"namespace": "default", "name": "c", "uid": uid}
    world.add(PERSISTENTVOLUMES, volume("w", annotations={BOUND_BY: "yes"}, claimRef=dict(reference)))
    world.add(PERSISTENTVOLUMES, volume("x", claimRef=dict(reference)))
    settle(world)
    assert phase(world, "w") == phase(world, "x") == "Available"
    assert "claimRef" not in world.get(PERSISTENTVOLUMES, "w")["spec"]
    assert world.get(PERSISTENTVOLUMES, "x")["spec"]["claimRef"] == {"namespace": "default", "name": "c"}


def test_a_volume_is_written_before_its_claim_and_under_its_revision() -> None:
    """Who comes second fails at the volume and has changed nothing of the claim."""
    world = world_with([claim()], [volume("v")])
    world.run(persistentvolumereclaimer.CONTROLLER)

    def taken(action: Action) -> Conflict | None:
        volumes_write = isinstance(action, Update) and action.resource == PERSISTENTVOLUMES
        if volumes_write:
            assert isinstance(action, Update) and action.body["metadata"]["resourceVersion"]
        return Conflict("the object has been modified") if volumes_write else None

    world.refuse = taken
    world.run(persistentvolumebinder.CONTROLLER)
    assert show(world) == ("Pending", "")
