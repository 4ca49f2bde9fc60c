"""sig-apps: StatefulSets go one by one, keep their names, are rolled in part, and come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.kube import Json, Kube, Resource, names
from tests.conformance.workloads import image, ready, workload


def stateful_set(name: str, replicas: int, **spec: Any) -> Json:
    """Its Pods are ready once their condition `example.com/go` is true, which a test sets."""
    body = workload(name, replicas, serviceName=name, **spec)
    body["spec"]["template"]["spec"]["readinessGates"] = [{"conditionType": "example.com/go"}]
    return body


def let_go(pods: Resource, name: str, status: str = "True") -> None:
    """The Pod is ready from now on, or no more."""
    pods.until(name, lambda body: body["status"].get("phase") == "Running")
    condition = {"type": "example.com/go", "status": status}
    pods.patch(name, {"status": {"conditions": [condition]}}, "strategic-merge", "status")


def indexes(items: list[Json]) -> list[str]:
    return sorted(names(items))


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable"
    " order and halt if any stateful pod is unhealthy [Conformance] [Slow]"
)
def test_each_pod_waits_for_the_one_before_it(kube: Kube, namespace: str) -> None:
    sets, pods = kube.at("apps/v1/statefulsets", namespace), kube.at("v1/pods", namespace)
    sets.create(stateful_set("ss", 3))
    order = []
    with pods.watch(labelSelector="app=ss") as watch:
        for number in range(3):
            order.append(watch.until("ADDED")["metadata"]["name"])
            assert indexes(pods.items()) == [f"ss-{each}" for each in range(number + 1)]
            let_go(pods, f"ss-{number}")
        assert order == ["ss-0", "ss-1", "ss-2"]
        sets.until("ss", ready(3))
        for number in range(3):
            let_go(pods, f"ss-{number}", "False")
        sets.until("ss", ready(0))
        sets.patch("ss", {"spec": {"replicas": 0}})
        sets.until("ss", lambda body: body["status"]["observedGeneration"] == 2)
        assert len(pods.items()) == 3  # unhealthy Pods hold it up
        for number in (2, 1):  # in the order of leaving: one that is well goes at once, and so does the last one ill
            let_go(pods, f"ss-{number}")
        gone = [watch.until("DELETED")["metadata"]["name"] for _ in range(3)]
    assert gone == ["ss-2", "ss-1", "ss-0"]


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion"
    " even with unhealthy pods [Conformance] [Slow]"
)
def test_a_parallel_set_waits_for_nobody(kube: Kube, namespace: str) -> None:
    sets, pods = kube.at("apps/v1/statefulsets", namespace), kube.at("v1/pods", namespace)
    sets.create(stateful_set("ss", 3, podManagementPolicy="Parallel"))
    pods.settled(lambda items: indexes(items) == ["ss-0", "ss-1", "ss-2"])
    assert sets.get("ss")["status"].get("readyReplicas", 0) == 0
    sets.patch("ss", {"spec": {"replicas": 0}})
    pods.settled(lambda items: not items)


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a"
    " collection of StatefulSets [Conformance]"
)
def test_stateful_sets_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    sets = kube.at("apps/v1/statefulsets", namespace)
    sets.create(workload("ss", serviceName="ss"))
    sets.until("ss", ready(1))
    assert "ss" in names(sets.everywhere().items(labelSelector="app=ss"))
    patch = {"metadata": {"labels": {"own": "patched"}}, "spec": {"replicas": 2}}
    assert sets.patch("ss", patch, "strategic-merge")["metadata"]["labels"]["own"] == "patched"
    sets.until("ss", ready(2))
    sets.delete_all(labelSelector="own=patched")
    sets.settled(lambda items: not items)


def new_image(name: str) -> Json:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}


def images(items: list[Json]) -> dict[str, str]:
    return {each["metadata"]["name"]: image(each) for each in items}


def rolled(body: Json) -> bool:
    status = body["status"]
    return (
        status["observedGeneration"] == body["metadata"]["generation"]
        and status["currentRevision"] == status["updateRevision"]
        and status.get("readyReplicas") == body["spec"]["replicas"]
    )


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll"
    " backs of template modifications [Conformance]"
)
def test_a_stateful_set_is_rolled_forth_and_back(kube: Kube, namespace: str) -> None:
    sets, pods = kube.at("apps/v1/statefulsets", namespace), kube.at("v1/pods", namespace)
    sets.create(workload("ss", 3, serviceName="ss"))
    first = sets.until("ss", lambda body: ready(3)(body) and rolled(body))["status"]["updateRevision"]
    with pods.watch(resourceVersion=pods.list()["metadata"]["resourceVersion"]) as watch:
        sets.patch("ss", new_image("newer"), "strategic-merge")
        order = [watch.until("DELETED")["metadata"]["name"] for _ in range(3)]
    assert order == ["ss-2", "ss-1", "ss-0"]
    second = sets.until("ss", rolled)["status"]["currentRevision"]
    assert second != first and set(images(pods.items()).values()) == {"newer"}
    sets.patch("ss", new_image("runs"), "strategic-merge")
    back = sets.until("ss", lambda body: rolled(body) and body["status"]["currentRevision"] == first)
    assert back["status"]["updateRevision"] == first and set(images(pods.items()).values()) == {"runs"}


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and"
    " phased rolling updates of template modifications [Conformance]"
)
def test_a_stateful_set_is_rolled_in_parts(kube: Kube, namespace: str) -> None:
    sets, pods = kube.at("apps/v1/statefulsets", namespace), kube.at("v1/pods", namespace)

    def partition(number: int) -> Json:
        return {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}

    sets.create(workload("ss", 3, serviceName="ss", updateStrategy=partition(3)))
    sets.until("ss", ready(3))
    sets.patch("ss", new_image("newer"), "strategic-merge")
    sets.until("ss", lambda body: body["status"]["currentRevision"] != body["status"]["updateRevision"])
    assert set(images(pods.items()).values()) == {"runs"}
    sets.patch("ss", {"spec": {"updateStrategy": partition(2)}})
    pods.settled(lambda items: images(items) == {"ss-0": "runs", "ss-1": "runs", "ss-2": "newer"})
    pods.delete("ss-0", gracePeriodSeconds=0)
    pods.delete("ss-2", gracePeriodSeconds=0)
    pods.settled(lambda items: images(items) == {"ss-0": "runs", "ss-1": "runs", "ss-2": "newer"})
    sets.patch("ss", {"spec": {"updateStrategy": partition(0)}})
    sets.until("ss", rolled)
    assert set(images(pods.items()).values()) == {"newer"}
