"""sig-scheduling: priorities and limits as objects, and what they put into Pods."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption PriorityClass endpoints verify PriorityClass endpoints can be operated with"
    " different HTTP methods [Conformance] [Serial]"
)
def test_priority_classes(kube: Kube) -> None:
    classes = kube.at("scheduling.k8s.io/v1/priorityclasses")
    made = classes.create({"metadata": {"name": "p1", "labels": {"own": "yes"}}, "value": 1, "description": "first"})
    classes.create({"metadata": {"name": "p2", "labels": {"own": "yes"}}, "value": 2})
    assert made["preemptionPolicy"] == "PreemptLowerPriority"
    changed = made | {"value": 1000}
    answer = refused(lambda: classes.replace(changed))
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "may not be changed in an update" in answer.message
    assert refused(lambda: classes.patch("p1", {"value": 1000})).reason == "Invalid"
    assert classes.replace(made | {"description": "second"})["description"] == "second"
    assert classes.patch("p1", {"description": "third"})["description"] == "third"
    assert classes.get("p1")["value"] == 1
    assert names(classes.items(labelSelector="own=yes")) == ["p1", "p2"]
    classes.delete("p1")
    classes.delete_all(labelSelector="own=yes")
    assert classes.items(labelSelector="own=yes") == []


def limit_range(name: str, **labels: str) -> Json:
    limit = {
        "type": "Container",
        "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
        "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": {"limits": [limit]}}


@pytest.mark.conformance(
    "[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]"
)
def test_limit_ranges(kube: Kube, namespace: str) -> None:
    limits = kube.at("v1/limitranges", namespace)
    limits.create(limit_range("one", group=namespace))
    assert names(limits.everywhere().items(labelSelector=f"group={namespace}")) == ["one"]
    small = {"spec": {"limits": [{"type": "Container", "min": {"cpu": "40m"}}]}}
    patched = limits.patch("one", small | {"metadata": {"labels": {"one": "patched"}}}, "strategic-merge")
    assert patched["spec"]["limits"][0]["min"]["cpu"] == "40m"
    assert names(limits.items(labelSelector="one=patched")) == ["one"]
    limits.delete_all(labelSelector="one=patched")
    assert limits.items() == []


def pod(name: str, resources: Json) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}


@pytest.mark.conformance(
    "[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied."
    " [Conformance]"
)
def test_a_limit_range_gives_its_defaults_and_holds_its_bounds(kube: Kube, namespace: str) -> None:
    limits, pods = kube.at("v1/limitranges", namespace), kube.at("v1/pods", namespace)
    with limits.watch() as watch:
        limits.create(limit_range("bounds"))
        assert watch.until("ADDED")["metadata"]["name"] == "bounds"
    bare = pods.create(pod("bare", {}))["spec"]["containers"][0]["resources"]
    assert bare["requests"] == {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"}
    assert bare["limits"] == {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"}
    partial = pods.create(pod("partial", {"requests": {"cpu": "100m"}, "limits": {"memory": "300Mi"}}))
    assert partial["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "300Mi", "ephemeral-storage": "200Gi"},
        "limits": {"cpu": "500m", "memory": "300Mi", "ephemeral-storage": "500Gi"},
    }
    small = refused(lambda: pods.create(pod("small", {"requests": {"cpu": "10m", "memory": "50Mi"}})))
    assert (small.code, small.reason) == (403, "Forbidden")
    large = refused(lambda: pods.create(pod("large", {"limits": {"cpu": "600m", "memory": "600Mi"}})))
    assert (large.code, large.reason) == (403, "Forbidden")
    limits.change("bounds", lambda body: body["spec"]["limits"][0]["min"].update(cpu="9m", memory="49Mi"))
    pods.create(pod("small", {"requests": {"cpu": "10m", "memory": "50Mi"}}))
    limits.delete("bounds")
    pods.create(pod("large", {"limits": {"cpu": "600m", "memory": "600Mi"}}))
