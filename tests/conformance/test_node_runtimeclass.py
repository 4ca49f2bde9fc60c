"""sig-node: Pods that name a RuntimeClass."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube
from tests.conformance.operations import refused

LIST = "[Conformance] [NodeConformance]"


def pod(runtime_class: str) -> Json:
    container = {"name": "c", "image": "succeeds"}
    spec = {"restartPolicy": "Never", "runtimeClassName": runtime_class, "containers": [container]}
    return {"metadata": {"generateName": "p-"}, "spec": spec}


def runtime_class(kube: Kube, name: str, **more: Json) -> str:
    classes = kube.at("node.k8s.io/v1/runtimeclasses")
    return str(classes.create({"metadata": {"generateName": name}, "handler": "runc", **more})["metadata"]["name"])


@pytest.mark.conformance(f"[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass {LIST}")
def test_an_unknown_class_is_refused(kube: Kube, namespace: str) -> None:
    found = refused(lambda: kube.at("v1/pods", namespace).create(pod("nonexistent")))
    assert (found.code, found.reason) == (403, "Forbidden")
    assert 'RuntimeClass "nonexistent" not found' in found.status["message"]


@pytest.mark.conformance(f"[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass {LIST}")
def test_a_deleted_class_is_refused(kube: Kube, namespace: str) -> None:
    name = runtime_class(kube, "deleted-")
    kube.at("node.k8s.io/v1/runtimeclasses").delete(name)
    kube.at("node.k8s.io/v1/runtimeclasses").gone(name)
    assert refused(lambda: kube.at("v1/pods", namespace).create(pod(name))).code == 403


@pytest.mark.conformance(
    f"[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead {LIST}"
)
def test_a_pod_of_a_class_runs(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    made = pods.create(pod(runtime_class(kube, "plain-")))
    assert "overhead" not in made["spec"]
    pods.until(made["metadata"]["name"], lambda found: found["status"]["phase"] == "Succeeded")


@pytest.mark.conformance(
    f"[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead {LIST}"
)
def test_a_pod_gets_its_classs_overhead(kube: Kube, namespace: str) -> None:
    overhead = {"cpu": "10m", "memory": "1Mi"}
    pods = kube.at("v1/pods", namespace)
    made = pods.create(pod(runtime_class(kube, "costly-", overhead={"podFixed": overhead})))
    assert made["spec"]["overhead"] == overhead
    pods.until(made["metadata"]["name"], lambda found: found["status"]["phase"] == "Succeeded")
