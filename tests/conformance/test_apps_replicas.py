"""sig-apps: replicas of all kinds are scaled, adopted, released, and told in a status of their own."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Kube, conditions, names
from tests.conformance.workloads import (
    image,
    owned_by,
    pod,
    ready,
    replication_controller,
    scaled,
    status_by_itself,
    unowned,
    workload,
)


@pytest.mark.conformance("[sig-apps] ReplicaSet Replicaset should have a working scale subresource [Conformance]")
def test_a_replica_set_is_scaled(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/replicasets", namespace)
    sets.create(workload("rs"))
    sets.until("rs", ready(1))
    scaled(sets, "rs")


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource"
    " [Conformance]"
)
def test_a_stateful_set_is_scaled(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/statefulsets", namespace)
    sets.create(workload("ss", serviceName="ss"))
    sets.until("ss", ready(1))
    scaled(sets, "ss")


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should get and update a ReplicationController scale [Conformance]"
)
def test_a_replication_controller_is_scaled(kube: Kube, namespace: str) -> None:
    controllers = kube.at("v1/replicationcontrollers", namespace)
    controllers.create(replication_controller("rc"))
    controllers.until("rc", ready(1))
    scaled(controllers, "rc")


@pytest.mark.conformance("[sig-apps] ReplicaSet should validate Replicaset Status endpoints [Conformance]")
def test_the_status_of_a_replica_set(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/replicasets", namespace)
    sets.create(workload("rs"))
    sets.until("rs", ready(1))
    status_by_itself(sets, "rs")


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status"
    " endpoints [Conformance]"
)
def test_the_status_of_a_stateful_set(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/statefulsets", namespace)
    sets.create(workload("ss", serviceName="ss"))
    sets.until("ss", ready(1))
    status_by_itself(sets, "ss")


@pytest.mark.conformance(
    "[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods [Conformance]"
)
def test_a_replica_set_adopts_and_releases(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("orphan", "rs"))
    kube.at("apps/v1/replicasets", namespace).create(workload("rs"))
    pods.until("orphan", owned_by("ReplicaSet", "rs"))
    assert names(pods.items()) == ["orphan"]
    pods.patch("orphan", {"metadata": {"labels": {"app": "other"}}})
    pods.until("orphan", unowned)
    pods.settled(lambda items: len(items) == 2)


@pytest.mark.conformance("[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]")
def test_a_replication_controller_adopts(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("orphan", "rc"))
    kube.at("v1/replicationcontrollers", namespace).create(replication_controller("rc"))
    pods.until("orphan", owned_by("ReplicationController", "rc"))
    assert names(pods.items()) == ["orphan"]


@pytest.mark.conformance("[sig-apps] ReplicationController should release no longer matching pods [Conformance]")
def test_a_replication_controller_releases(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    kube.at("v1/replicationcontrollers", namespace).create(replication_controller("rc"))
    name = pods.settled(lambda items: items)[0]["metadata"]["name"]
    pods.patch(name, {"metadata": {"labels": {"app": "other"}}})
    pods.until(name, unowned)
    pods.settled(lambda items: len(items) == 2)


@pytest.mark.conformance("[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets [Conformance]")
def test_replica_sets_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/replicasets", namespace)
    sets.create(workload("rs", 3))
    sets.until("rs", ready(3))
    assert "rs" in names(sets.everywhere().items(labelSelector="app=rs"))
    sets.delete_all(labelSelector="app=rs")
    sets.settled(lambda items: not items)


@pytest.mark.conformance("[sig-apps] ReplicaSet Replace and Patch tests [Conformance]")
def test_a_replica_set_is_replaced_and_patched(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/replicasets", namespace)
    sets.create(workload("rs"))
    sets.until("rs", ready(1))
    sets.change("rs", lambda body: body["spec"].update(replicas=2))
    sets.until("rs", ready(2))
    patch = {
        "metadata": {"labels": {"test-rs": "patched"}},
        "spec": {
            "replicas": 3,
            "template": {"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "other"}]}},
        },
    }
    patched = sets.patch("rs", patch, "strategic-merge")
    assert patched["metadata"]["labels"]["test-rs"] == "patched"
    assert image({"spec": patched["spec"]["template"]["spec"]}) == "other"
    sets.until("rs", ready(3))


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]"
)
def test_the_life_of_a_replication_controller(kube: Kube, namespace: str) -> None:
    controllers = kube.at("v1/replicationcontrollers", namespace)
    with controllers.watch(labelSelector="app=rc") as watch:
        controllers.create(replication_controller("rc"))
        watch.until("ADDED")
        watch.until("MODIFIED", ready(1))
        controllers.patch("rc", {"metadata": {"labels": {"own": "patched"}}})
        watch.until("MODIFIED", lambda body: body["metadata"]["labels"].get("own") == "patched")
        controllers.patch("rc", {"metadata": {"annotations": {"by": "status"}}}, subresource="status")
        watch.until("MODIFIED", lambda body: body["metadata"].get("annotations") == {"by": "status"})
        assert controllers.get("rc", "status")["status"]["replicas"] == 1
        controllers.patch("rc", {"spec": {"replicas": 2}}, "strategic-merge", "scale")
        watch.until("MODIFIED", ready(2))
        assert names(controllers.everywhere().items(labelSelector="app=rc,own=patched")) == ["rc"]
        controllers.change("rc", lambda body: body["spec"].update(replicas=1))
        watch.until("MODIFIED", ready(1))
        controllers.delete_all(labelSelector="app=rc")
        watch.until("DELETED")


@pytest.mark.conformance(
    "[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota"
    " [Conformance]"
)
def test_a_controller_tells_that_its_quota_is_used_up(kube: Kube, namespace: str) -> None:
    quotas, controllers = kube.at("v1/resourcequotas", namespace), kube.at("v1/replicationcontrollers", namespace)
    quotas.create({"metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}})
    quotas.until("few", lambda body: body["status"].get("hard"))
    controllers.create(replication_controller("rc", 3))
    failed = controllers.until("rc", lambda body: conditions(body).get("ReplicaFailure") == "True")
    assert failed["status"]["conditions"][0]["reason"] == "FailedCreate"
    controllers.change("rc", lambda body: body["spec"].update(replicas=2))
    controllers.until("rc", lambda body: "ReplicaFailure" not in conditions(body))
