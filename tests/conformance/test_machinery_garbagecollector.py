"""sig-api-machinery: what is owned goes with its owner, or stays, as the deletion says."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused


def template(app: str) -> Json:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "runs"}]}}


def controller(name: str, replicas: int) -> Json:
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template(name)}
    return {"metadata": {"name": name}, "spec": spec}


def deployment(name: str) -> Json:
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template(name)}
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning [Conformance]"
)
def test_pods_go_with_their_controller(kube: Kube, namespace: str) -> None:
    controllers, pods = kube.at("v1/replicationcontrollers", namespace), kube.at("v1/pods", namespace)
    controllers.create(controller("rc", 2))
    pods.settled(lambda items: len(items) == 2)
    controllers.delete("rc", propagationPolicy="Background")
    pods.settled(lambda items: not items)


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Conformance]"
    " [Serial]"
)
def test_pods_outlive_their_controller_as_orphans(kube: Kube, namespace: str) -> None:
    controllers, pods = kube.at("v1/replicationcontrollers", namespace), kube.at("v1/pods", namespace)
    controllers.create(controller("rc", 3))
    controllers.until("rc", lambda body: body["status"]["replicas"] == 3)
    controllers.delete("rc", propagationPolicy="Orphan")
    controllers.gone("rc")
    orphans = pods.settled(lambda items: all("ownerReferences" not in each["metadata"] for each in items))
    assert len(orphans) == 3 and all("deletionTimestamp" not in each["metadata"] for each in orphans)


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning [Conformance]"
)
def test_replica_sets_go_with_their_deployment(kube: Kube, namespace: str) -> None:
    deployments, sets = kube.at("apps/v1/deployments", namespace), kube.at("apps/v1/replicasets", namespace)
    deployments.create(deployment("d"))
    sets.settled(lambda items: len(items) == 1)
    deployments.delete("d", propagationPolicy="Background")
    sets.settled(lambda items: not items)


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy"
    " is Orphan [Conformance]"
)
def test_replica_sets_outlive_their_deployment_as_orphans(kube: Kube, namespace: str) -> None:
    deployments, sets = kube.at("apps/v1/deployments", namespace), kube.at("apps/v1/replicasets", namespace)
    deployments.create(deployment("d"))
    sets.settled(lambda items: len(items) == 1)
    deployments.delete("d", propagationPolicy="Orphan")
    deployments.gone("d")
    orphan = sets.settled(lambda items: "ownerReferences" not in items[0]["metadata"])[0]
    assert orphan["metadata"]["labels"]["app"] == "d" and "deletionTimestamp" not in orphan["metadata"]


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the"
    " deleteOptions says so [Conformance] [Serial]"
)
def test_a_controller_that_is_deleted_in_the_foreground_waits_for_its_pods(kube: Kube, namespace: str) -> None:
    controllers, pods = kube.at("v1/replicationcontrollers", namespace), kube.at("v1/pods", namespace)
    controllers.create(controller("rc", 2))
    made = pods.settled(lambda items: len(items) == 2)
    for name in names(made):
        pods.patch(name, {"metadata": {"finalizers": ["example.com/stay"]}})
    controllers.delete("rc", propagationPolicy="Foreground")
    pods.settled(lambda items: all("deletionTimestamp" in each["metadata"] for each in items))
    waiting = controllers.get("rc")
    assert waiting["metadata"]["deletionTimestamp"] and "foregroundDeletion" in waiting["metadata"]["finalizers"]
    for name in names(made):
        pods.patch(name, {"metadata": {"finalizers": None}})
    controllers.gone("rc")
    assert not [each for each in names(pods.items()) if each in names(made)]


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's"
    " waiting for dependents to be deleted [Conformance] [Serial]"
)
def test_a_pod_with_a_second_owner_stays(kube: Kube, namespace: str) -> None:
    controllers, pods = kube.at("v1/replicationcontrollers", namespace), kube.at("v1/pods", namespace)
    controllers.create(controller("going", 2))
    stays = controllers.create(controller("staying", 0))
    shared, other = pods.settled(lambda items: len(items) == 2)
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "staying", "uid": stays["metadata"]["uid"]}
    pods.change(shared["metadata"]["name"], lambda body: body["metadata"]["ownerReferences"].append(owner))
    controllers.delete("going", propagationPolicy="Foreground")
    controllers.gone("going")
    pods.gone(other["metadata"]["name"])
    left = pods.until(shared["metadata"]["name"], lambda body: len(body["metadata"]["ownerReferences"]) == 1)
    assert left["metadata"]["ownerReferences"][0]["name"] == "staying"
    assert "deletionTimestamp" not in left["metadata"]


@pytest.mark.conformance(
    "[sig-api-machinery] Garbage collector should not be blocked by dependency circle [Conformance]"
)
def test_a_circle_of_owners_is_deleted(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    spec = {"containers": [{"name": "c", "image": "runs"}]}
    uids = [pods.create({"metadata": {"name": f"p{number}"}, "spec": spec})["metadata"]["uid"] for number in range(3)]
    for number in range(3):
        owner = {"apiVersion": "v1", "kind": "Pod", "name": f"p{(number + 2) % 3}", "uid": uids[(number + 2) % 3]}
        references = [owner | {"controller": True, "blockOwnerDeletion": True}]
        pods.patch(f"p{number}", {"metadata": {"ownerReferences": references}})
    pods.delete("p0", propagationPolicy="Foreground")
    pods.settled(lambda items: not items)
    assert refused(lambda: pods.get("p1")).code == 404
