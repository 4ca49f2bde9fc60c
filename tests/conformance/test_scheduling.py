"""sig-scheduling: where a Pod may run, and who has to make room; the nodes are simulated, the decisions are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conformance.kube import Json, Kube, Resource, conditions, names


def pod(name: str, **spec: Any) -> Json:
    container: Json = {"name": "c", "image": "runs"}
    if "resources" in spec:
        container["resources"] = spec.pop("resources")
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    return {
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def asking(amount: str, name: str = "example.com/seats") -> Json:
    return {"requests": {name: amount}, "limits": {name: amount}}


def placed(body: Json) -> str:
    found: str = body["spec"].get("nodeName", "")
    return found


def unschedulable(body: Json) -> bool:
    return conditions(body).get("PodScheduled") == "False"


@contextmanager
def seats(kube: Kube, node: str, count: str) -> Iterator[None]:
    """An extended resource on one node."""
    path = f"/api/v1/nodes/{node}/status"
    pointer = "/status/{}/example.com~1seats"
    change = [{"op": "add", "path": pointer.format(each), "value": count} for each in ("capacity", "allocatable")]
    kube.call("PATCH", path, change, "application/json-patch+json")
    try:
        yield
    finally:
        change = [{"op": "remove", "path": pointer.format(each)} for each in ("capacity", "allocatable")]
        kube.call("PATCH", path, change, "application/json-patch+json")


@contextmanager
def priorities(kube: Kube, **values: int) -> Iterator[None]:
    classes = kube.at("scheduling.k8s.io/v1/priorityclasses")
    for name, value in values.items():
        classes.create({"metadata": {"name": name}, "value": value})
    try:
        yield
    finally:
        for name in values:
            classes.delete(name)


@pytest.mark.conformance("[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]")
def test_there_are_two_nodes_for_everybody(kube: Kube) -> None:
    free = [each for each in kube.at("v1/nodes").items() if not each["spec"].get("taints")]
    assert len(free) >= 2 and all(conditions(each)["Ready"] == "True" for each in free)


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPredicates validates resource limits of pods that are allowed to run [Conformance]"
    " [Serial]"
)
def test_a_pod_that_does_not_fit_waits(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    with seats(kube, "node-1", "2"):
        pods.create(pod("fits", resources=asking("2")))
        assert placed(pods.until("fits", placed)) == "node-1"
        pods.create(pod("waits", resources=asking("1")))
        waiting = pods.until("waits", unschedulable)
        condition = next(each for each in waiting["status"]["conditions"] if each["type"] == "PodScheduled")
        assert condition["reason"] == "Unschedulable"
        assert condition["message"].startswith("0/2 nodes are available: 2 Insufficient example.com/seats.")
        pods.delete("fits", gracePeriodSeconds=0)
        assert placed(pods.until("waits", placed)) == "node-1"


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPredicates validates that NodeSelector is respected if matching [Conformance] [Serial]"
)
def test_a_pod_goes_where_its_selector_says(kube: Kube, namespace: str) -> None:
    pods, nodes = kube.at("v1/pods", namespace), kube.at("v1/nodes")
    nodes.patch("node-2", {"metadata": {"labels": {"example.com/e2e": "42"}}})
    pods.create(pod("selects", nodeSelector={"example.com/e2e": "42"}))
    assert placed(pods.until("selects", placed)) == "node-2"
    nodes.patch("node-2", {"metadata": {"labels": {"example.com/e2e": None}}})


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPredicates validates that NodeSelector is respected if not matching [Conformance]"
    " [Serial]"
)
def test_a_pod_whose_selector_meets_no_node_waits(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("selects", nodeSelector={"example.com/label": "nonempty"}))
    waiting = pods.until("selects", unschedulable)
    message = next(each["message"] for each in waiting["status"]["conditions"] if each["type"] == "PodScheduled")
    assert message.startswith("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPredicates validates that there exists conflict between pods with same hostPort and"
    " protocol but one using 0.0.0.0 hostIP [Conformance] [Serial]"
)
def test_a_host_port_on_all_addresses_is_taken_on_each(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    here = {"kubernetes.io/hostname": "node-1"}
    port = {"containerPort": 8080, "hostPort": 54322, "protocol": "TCP"}
    pods.create(pod("everywhere", nodeSelector=here, ports=[{**port, "hostIP": "0.0.0.0"}]))
    pods.until("everywhere", placed)
    pods.create(pod("one-address", nodeSelector=here, ports=[{**port, "hostIP": "127.0.0.1"}]))
    waiting = pods.until("one-address", unschedulable)
    message = next(each["message"] for each in waiting["status"]["conditions"] if each["type"] == "PodScheduled")
    assert "didn't have free ports for the requested pod ports" in message


def full(pods: Resource, kube: Kube, **spec: Any) -> None:
    """All seats of both nodes taken by Pods of a class."""
    for number in range(2):
        pods.create(pod(f"victim-{number}", resources=asking("1"), **spec))
        pods.until(f"victim-{number}", placed)


@pytest.mark.conformance("[sig-scheduling] SchedulerPreemption validates basic preemption works [Conformance] [Serial]")
def test_a_more_important_pod_takes_the_place_of_a_less_important_one(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    with seats(kube, "node-1", "1"), seats(kube, "node-2", "1"), priorities(kube, low=1, middle=100, high=1000):
        pods.create(pod("low", resources=asking("1"), priorityClassName="low"))
        pods.until("low", placed)
        pods.create(pod("middle", resources=asking("1"), priorityClassName="middle"))
        pods.until("middle", placed)
        pods.create(pod("high", resources=asking("1"), priorityClassName="high"))
        pods.until("high", placed)
        pods.gone("low")
        assert "deletionTimestamp" not in pods.get("middle")["metadata"]


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption validates lower priority pod preemption by critical pod [Conformance]"
    " [Serial]"
)
def test_a_critical_pod_takes_a_place(kube: Kube, namespace: str) -> None:
    pods, critical = kube.at("v1/pods", namespace), kube.at("v1/pods", "kube-system")
    with seats(kube, "node-1", "1"), seats(kube, "node-2", "1"), priorities(kube, low=1, middle=100):
        pods.create(pod("low", resources=asking("1"), priorityClassName="low"))
        pods.until("low", placed)
        pods.create(pod("middle", resources=asking("1"), priorityClassName="middle"))
        pods.until("middle", placed)
        critical.create(pod("critical", resources=asking("1"), priorityClassName="system-cluster-critical"))
        critical.until("critical", placed)
        pods.gone("low")
        assert "deletionTimestamp" not in pods.get("middle")["metadata"]
        critical.delete("critical", gracePeriodSeconds=0)


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption validates pod disruption condition is added to the preempted pod"
    " [Conformance] [Serial]"
)
def test_a_pod_that_has_to_go_says_why(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    with seats(kube, "node-1", "1"), priorities(kube, low=1, high=1000):
        victim = pod("victim", resources=asking("1"), priorityClassName="low")
        victim["metadata"]["finalizers"] = ["example.com/stay"]
        pods.create(victim)
        pods.until("victim", placed)
        pods.create(pod("high", resources=asking("1"), priorityClassName="high"))
        going = pods.until("victim", lambda body: "deletionTimestamp" in body["metadata"])
        assert conditions(going)["DisruptionTarget"] == "True"
        condition = next(each for each in going["status"]["conditions"] if each["type"] == "DisruptionTarget")
        assert condition["reason"] == "PreemptionByScheduler"
        pods.patch("victim", {"metadata": {"finalizers": None}})
        pods.until("high", placed)


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption PreemptionExecutionPath runs ReplicaSets to verify preemption running path"
    " [Conformance] [Serial]"
)
def test_replica_sets_of_four_priorities_settle_by_importance(kube: Kube, namespace: str) -> None:
    sets, pods = kube.at("apps/v1/replicasets", namespace), kube.at("v1/pods", namespace)
    values = {"p1": 1, "p2": 2, "p3": 3, "p4": 4}
    with seats(kube, "node-1", "5"), priorities(kube, **values):
        for name, (count, each) in {"p1": (5, "1"), "p2": (4, "1"), "p3": (4, "1"), "p4": (1, "2")}.items():
            template = pod(name, resources=asking(each), priorityClassName=name)
            template["metadata"] = {"labels": {"name": name}}
            spec = {"replicas": count, "selector": {"matchLabels": {"name": name}}, "template": template}
            sets.create({"metadata": {"name": name}, "spec": spec})
            pods.settled(lambda items, name=name: running(items, name) > 0)

        def settled(items: list[Json]) -> bool:
            return {name: running(items, name) for name in values} == {"p1": 0, "p2": 0, "p3": 3, "p4": 1}

        pods.settled(settled)
        for name in values:
            sets.delete(name)
        pods.settled(lambda items: not items)


def running(items: list[Json], name: str) -> int:
    """Pods of a set that have a seat."""
    return sum(
        1
        for each in items
        if each["metadata"]["labels"]["name"] == name
        and each["status"]["phase"] == "Running"
        and "deletionTimestamp" not in each["metadata"]
    )


def taint(kube: Kube, node: str, *taints: Json) -> None:
    kube.at("v1/nodes").patch(node, {"spec": {"taints": list(taints) or None}})


EVICT = {"key": "example.com/evict", "value": "yes", "effect": "NoExecute"}


def tolerating(seconds: int | None) -> Json:
    toleration: Json = {"key": EVICT["key"], "value": "yes", "operator": "Equal", "effect": "NoExecute"}
    return toleration | ({} if seconds is None else {"tolerationSeconds": seconds})


@pytest.mark.conformance(
    "[sig-node] NoExecuteTaintManager Single Pod removing taint cancels eviction [Conformance] [Disruptive] [Serial]"
)
def test_a_taint_that_is_taken_away_evicts_nobody(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", nodeSelector={"kubernetes.io/hostname": "node-1"}, tolerations=[tolerating(1)]))
    pods.until("p", lambda body: body["status"]["phase"] == "Running")
    with pods.watch(resourceVersion=pods.list()["metadata"]["resourceVersion"], timeoutSeconds="2") as watch:
        taint(kube, "node-1", EVICT)
        taint(kube, "node-1")
        with pytest.raises(StopIteration):  # the watch ends after two seconds, and has seen nothing go
            watch.until("DELETED")
    assert "deletionTimestamp" not in pods.get("p")["metadata"]


@pytest.mark.conformance(
    "[sig-node] NoExecuteTaintManager Multiple Pods evicts pods with minTolerationSeconds [Conformance] [Disruptive]"
    " [Serial]"
)
def test_pods_stay_on_a_tainted_node_as_long_as_they_tolerate_it(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    here = {"kubernetes.io/hostname": "node-1"}
    pods.create(pod("short", nodeSelector=here, tolerations=[tolerating(1)]))
    pods.create(pod("long", nodeSelector=here, tolerations=[tolerating(3600)]))
    for name in ("short", "long"):
        pods.until(name, lambda body: body["status"]["phase"] == "Running")
    taint(kube, "node-1", EVICT)
    try:
        pods.gone("short")
        assert names(pods.items()) == ["long"] and "deletionTimestamp" not in pods.get("long")["metadata"]
    finally:
        taint(kube, "node-1")
