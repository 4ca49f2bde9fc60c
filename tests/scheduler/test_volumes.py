"""Pods go where their volumes are, or where they can be found or made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.client.rest import Rest
from podling.env import SimulatedEnv
from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.plugins import default_plugins
from podling.scheduler.snapshot import PodFacts, Snapshot
from podling.scheduler.volumes import Volumes, claim_of, class_of, volume_of
from podling.scheduler.volumeworld import CLASSES
from podling.testing.virtualtime import run
from tests.scheduler.nodes import cluster, node, pod
from tests.scheduler.test_scheduler import add_node, add_pod, events, node_of, scheduling

NO_HELP = (
    "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)
Json = dict[str, Any]


def claim(name: str = "data", **more: Any) -> Json:
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-uid"} | more.pop("metadata", {})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "slow"}
    return {"metadata": metadata, "spec": spec | more}


def bound(name: str = "data", volume: str = "v", **more: Any) -> Json:
    completed = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    return claim(name, metadata=completed, volumeName=volume, **more)


def volume(name: str = "v", at: str = "", labels: Json | None = None, size: str = "1Gi", **more: Any) -> Json:
    spec = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "slow"}
    if at:
        expression = {"key": "metadata.name", "operator": "In", "values": [at]}
        spec |= {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": [expression]}]}}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec | more}


def waits(provisioner: str = "kubernetes.io/no-provisioner", **more: Any) -> Json:
    return {
        "metadata": {"name": "slow"},
        "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
    } | more


def world(claims: list[Json] = [], volumes: list[Json] = [], made_by: Json | None = None) -> Snapshot:  # noqa: B006
    snapshot = cluster(node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}))
    snapshot.volumes = Volumes()
    snapshot.volumes.claims = {(found := claim_of(each)).key: found for each in claims}
    snapshot.volumes.volumes = {each["metadata"]["name"]: volume_of(each) for each in volumes}
    snapshot.volumes.classes = {"slow": class_of(made_by)} if made_by is not None else {}
    return snapshot


def using(*names: str, pod_name: str = "p") -> PodFacts:
    mounted = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names or ("data",)]
    return pod(pod_name, volumes=mounted)


def decide(facts: PodFacts, snapshot: Snapshot) -> str:
    decision = Cycle(default_plugins()).decide(facts, snapshot, 0.0)
    return decision.node if isinstance(decision, Placement) else decision.message


HOPELESS = [
    ("an absent claim", world(), 'persistentvolumeclaim "data" not found'),
    (
        "a claim on its way out",
        world([claim(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})]),
        'persistentvolumeclaim "data" is being deleted',
    ),
    (
        "a claim that does not wait for Pods",
        world([claim()], made_by={"provisioner": "x", "volumeBindingMode": "Immediate"}),
        "pod has unbound immediate PersistentVolumeClaims",
    ),
]


@pytest.mark.parametrize(("snapshot", "why"), [case[1:] for case in HOPELESS], ids=[case[0] for case in HOPELESS])
def test_without_its_claims_a_pod_goes_nowhere_and_the_message_says_why(snapshot: Snapshot, why: str) -> None:
    assert decide(using(), snapshot) == f"0/2 nodes are available: {why}. {NO_HELP}"


def test_an_ephemeral_volume_is_waited_for() -> None:
    facts = pod("p", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}])
    assert 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"' in decide(
        facts, world()
    )


def test_a_bound_claim_leads_to_its_volume() -> None:
    assert decide(using(), world([bound()], [volume(at="b")])) == "b"
    said = decide(using("data", "more"), world([bound(), bound("more", "w")], [volume(at="b"), volume("w", at="a")]))
    assert said.startswith("0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.")


def test_a_volume_that_is_no_more_is_told() -> None:
    why = "2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
    assert decide(using(), world([bound()])) == f"0/2 nodes are available: {why}. {NO_HELP}"


def test_a_waiting_claim_finds_the_free_volume_and_the_pod_goes_there() -> None:
    assert decide(using(), world([claim()], [volume(at="b")], waits())) == "b"


UNFIT = [
    ("too small", volume(size="1Mi")),
    ("of another class", volume(storageClassName="fast")),
    ("for blocks", volume(volumeMode="Block")),
    ("for readers only", volume(accessModes=["ReadOnlyMany"])),
    ("of another claim", volume(claimRef={"namespace": "default", "name": "other", "uid": "x"})),
]


@pytest.mark.parametrize("unfit", [case[1] for case in UNFIT], ids=[case[0] for case in UNFIT])
def test_a_volume_that_does_not_fit_is_no_help(unfit: Json) -> None:
    why = "2 node(s) didn't find available persistent volumes to bind"
    assert decide(using(), world([claim()], [unfit], waits())) == f"0/2 nodes are available: {why}. {NO_HELP}"


def test_a_volume_that_was_chosen_a_moment_ago_is_not_chosen_again() -> None:
    snapshot = world([claim()], [volume()], waits())
    snapshot.volumes.choose("v", "default/another")
    assert "didn't find available persistent volumes" in decide(using(), snapshot)
    snapshot.volumes.release("default/another")
    assert decide(using(), snapshot) in ("a", "b")


def test_a_class_makes_volumes_where_its_topologies_allow_it() -> None:
    terms = [{"matchLabelExpressions": [{"key": "zone", "values": ["2", "3"]}]}]
    assert decide(using(), world([claim()], made_by=waits("csi.example", allowedTopologies=terms))) == "b"
    selected = {"annotations": {"volume.kubernetes.io/selected-node": "a"}}
    assert decide(using(), world([claim(metadata=selected)], made_by=waits("csi.example"))) == "a"


def test_a_volume_of_a_zone_is_used_in_its_zone() -> None:
    zone = "topology.kubernetes.io/zone"
    snapshot = world([bound()], [volume(labels={zone: "x__y"})])
    for name, where in (("a", "z"), ("b", "y")):
        snapshot.set_node(node(name, labels={zone: where}))
    assert decide(using(), snapshot) == "b"
    snapshot.remove_node("b")
    assert "1 node(s) had no available volume zone" in decide(using(), snapshot)


def test_a_node_attaches_no_more_volumes_than_it_can() -> None:
    disks = [volume(name, csi={"driver": "csi.example", "volumeHandle": name}) for name in ("v1", "v2", "v3")]
    snapshot = world([bound(f"c{number}", f"v{number}") for number in (1, 2, 3)], disks)
    snapshot.volumes.limits = {"a": {"csi.example": 1}, "b": {"csi.example": 2}}
    snapshot.put(using("c1", pod_name="p1"), "a")
    snapshot.put(using("c2", pod_name="p2"), "b")
    assert decide(using("c3"), snapshot) == "b"
    snapshot.put(using("c3", pod_name="p3"), "b")
    snapshot.volumes.volumes["v4"] = msgspec.structs.replace(snapshot.volumes.volumes["v3"], name="v4", handle="v4")
    snapshot.volumes.claims["default/c4"] = claim_of(bound("c4", "v4"))
    assert "2 node(s) exceed max volume count" in decide(using("c4"), snapshot)


def test_what_one_pod_may_use_is_not_given_to_a_second() -> None:
    snapshot = world([bound(accessModes=["ReadWriteOncePod"])], [volume()])
    snapshot.put(using(pod_name="first"), "a")
    why = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
    assert decide(using(), snapshot).startswith(f"0/2 nodes are available: 2 {why}.")
    snapshot.take("core/pods/default/first")
    assert decide(using(), snapshot) in ("a", "b")


async def make(rest: Rest, **of_class: Any) -> None:
    await rest.create(CLASSES, "", {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"} | waits(**of_class))
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | claim()
    await rest.create(PERSISTENTVOLUMECLAIMS, "default", body)
    mounted = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    await add_pod(rest, "p", volumes=mounted)


async def complete(rest: Rest, name: str) -> None:
    """What the volume controller does once a volume is the claim's."""
    note = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    await rest.patch(PERSISTENTVOLUMECLAIMS, "default", "data", {"metadata": note, "spec": {"volumeName": name}})


async def found(rest: Rest, env: SimulatedEnv, node: str) -> bool:
    for _ in range(40):
        if await node_of(rest, "p") == node:
            return True
        await env.sleep(1)
    return False


def test_the_chosen_volume_is_reserved_first_and_the_pod_bound_when_the_claim_is() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1")
            disk = {"apiVersion": "v1", "kind": "PersistentVolume"} | volume(hostPath={"path": "/x"})
            await rest.create(PERSISTENTVOLUMES, "", disk)
            await make(rest)
            await env.sleep(2)
            reserved = (await rest.get(PERSISTENTVOLUMES, "", "v")).object["spec"]["claimRef"]
            assert (reserved["namespace"], reserved["name"]) == ("default", "data")
            assert await node_of(rest, "p") == ""
            await complete(rest, "v")
            assert await found(rest, env, "n1")

    run(scenario())


def test_a_provisioner_is_told_the_node_and_may_send_the_pod_elsewhere() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1")
            await make(rest, provisioner="csi.example")
            await env.sleep(2)
            key = "volume.kubernetes.io/selected-node"
            metadata = (await rest.get(PERSISTENTVOLUMECLAIMS, "default", "data")).object["metadata"]
            assert metadata["annotations"][key] == "n1"
            await rest.patch(PERSISTENTVOLUMECLAIMS, "default", "data", {"metadata": {"annotations": {key: None}}})
            await env.sleep(1)
            assert 'binding volumes: provisioning failed for PVC "default/data"' in await events(
                rest, "FailedScheduling"
            )
            await env.sleep(5)
            again = (await rest.get(PERSISTENTVOLUMECLAIMS, "default", "data")).object["metadata"]
            assert again["annotations"][key] == "n1"
            await complete(rest, "made")
            assert await found(rest, env, "n1")

    run(scenario())


def test_a_pod_that_waits_for_a_claim_is_decided_about_when_it_comes() -> None:
    async def scenario() -> None:
        async with scheduling() as (rest, env):
            await add_node(rest, "n1")
            await add_pod(rest, "p", volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
            await env.sleep(3)
            assert await node_of(rest, "p") == ""
            body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | claim(volumeName="v")
            await rest.create(PERSISTENTVOLUMECLAIMS, "default", body)
            disk = {"apiVersion": "v1", "kind": "PersistentVolume"} | volume(hostPath={"path": "/x"})
            await rest.create(PERSISTENTVOLUMES, "", disk)
            await complete(rest, "v")
            assert await found(rest, env, "n1")

    run(scenario())


def test_unschedulable_says_what_may_change_it() -> None:
    decision = Cycle(default_plugins()).decide(using(), world(), 0.0)
    assert isinstance(decision, Unschedulable)
    assert decision.heeds & 8


def test_images_that_are_there_already_draw_pods() -> None:
    image = {"names": ["docker.io/library/big:1"], "sizeBytes": 900 << 20}
    there = msgspec.convert(
        {
            "metadata": {"name": "warm"},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "images": [image]},
        },
        type(node("x")),
    )
    snapshot = cluster(node("cold"), there)
    facts = pod("p", containers=[{"name": "c", "image": "big:1"}])
    decisions = [Cycle(default_plugins()).decide(facts, snapshot, chance) for chance in (0.0, 0.5, 0.99)]
    assert decisions == [Placement("warm")] * 3
