"""sig-apps: daemons run where they belong, are rolled, rolled back, and keep a history."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Kube, names
from tests.conformance.operations import refused
from tests.conformance.workloads import image, owned_by, ready, status_by_itself, workload


@pytest.mark.conformance("[sig-apps] Daemon set should verify changes to a daemon set status [Conformance] [Serial]")
def test_the_status_of_a_daemon_set(kube: Kube, namespace: str) -> None:
    daemons = kube.at("apps/v1/daemonsets", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    status_by_itself(daemons, "ds")


@pytest.mark.conformance(
    "[sig-apps] Daemon set should list and delete a collection of DaemonSets [Conformance] [Serial]"
)
def test_daemon_sets_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    daemons = kube.at("apps/v1/daemonsets", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    assert "ds" in names(daemons.everywhere().items(labelSelector="app=ds"))
    daemons.delete_all(labelSelector="app=ds")
    daemons.settled(lambda items: not items)


@pytest.mark.conformance("[sig-apps] Daemon set should run and stop simple daemon [Conformance] [Serial]")
def test_a_daemon_runs_on_every_node_and_comes_back(kube: Kube, namespace: str) -> None:
    daemons, pods = kube.at("apps/v1/daemonsets", namespace), kube.at("v1/pods", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    found = pods.settled(lambda items: len(items) == 2)
    assert {each["spec"]["nodeName"] for each in found} == {"node-1", "node-2"}
    pods.delete(found[0]["metadata"]["name"], gracePeriodSeconds=0)
    pods.settled(lambda items: len(set(names(items)) - set(names(found))) == 1 and len(items) == 2)
    daemons.until("ds", ready(2, "numberReady"))


@pytest.mark.conformance("[sig-apps] Daemon set should run and stop complex daemon [Conformance] [Serial]")
def test_a_daemon_follows_the_labels_of_nodes(kube: Kube, namespace: str) -> None:
    daemons, pods, nodes = kube.at("apps/v1/daemonsets", namespace), kube.at("v1/pods", namespace), kube.at("v1/nodes")
    body = workload("ds", -1)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"daemon-color": "blue"}
    daemons.create(body)
    daemons.until("ds", ready(0, "currentNumberScheduled"))
    nodes.patch("node-1", {"metadata": {"labels": {"daemon-color": "blue"}}})
    pods.settled(lambda items: [each["spec"].get("nodeName") for each in items] == ["node-1"])
    nodes.patch("node-1", {"metadata": {"labels": {"daemon-color": "green"}}})
    pods.settled(lambda items: not items)
    green = {"spec": {"template": {"spec": {"nodeSelector": {"daemon-color": "green"}}}}}
    daemons.patch("ds", green)
    pods.settled(lambda items: [each["spec"].get("nodeName") for each in items] == ["node-1"])
    nodes.patch("node-1", {"metadata": {"labels": {"daemon-color": None}}})
    pods.settled(lambda items: not items)


@pytest.mark.conformance("[sig-apps] Daemon set should retry creating failed daemon pods [Conformance] [Serial]")
def test_a_failed_daemon_is_replaced(kube: Kube, namespace: str) -> None:
    daemons, pods = kube.at("apps/v1/daemonsets", namespace), kube.at("v1/pods", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    victim = pods.items()[0]["metadata"]["name"]
    pods.patch(victim, {"status": {"phase": "Failed"}}, subresource="status")
    pods.gone(victim)
    daemons.until("ds", ready(2, "numberReady"))


@pytest.mark.conformance(
    "[sig-apps] Daemon set should update pod when spec was updated and update strategy is RollingUpdate [Conformance]"
    " [Serial]"
)
def test_a_daemon_set_is_rolled(kube: Kube, namespace: str) -> None:
    daemons, pods = kube.at("apps/v1/daemonsets", namespace), kube.at("v1/pods", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    daemons.patch("ds", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "newer"}]}}}})
    pods.settled(lambda items: [image(each) for each in items] == ["newer"] * 2)
    daemons.until("ds", ready(2, "updatedNumberScheduled"))
    revisions = kube.at("apps/v1/controllerrevisions", namespace).items()
    assert sorted(each["revision"] for each in revisions) == [1, 2]


@pytest.mark.conformance("[sig-apps] Daemon set should rollback without unnecessary restarts [Conformance] [Serial]")
def test_a_daemon_set_that_is_rolled_back_keeps_the_pods_it_had(kube: Kube, namespace: str) -> None:
    daemons, pods = kube.at("apps/v1/daemonsets", namespace), kube.at("v1/pods", namespace)
    daemons.create(workload("ds", -1))
    daemons.until("ds", ready(2, "numberReady"))
    before = set(names(pods.items()))
    daemons.patch("ds", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "missing"}]}}}})
    pods.settled(lambda items: any(image(each) == "missing" for each in items))
    kept = {each["metadata"]["name"] for each in pods.items() if image(each) == "runs"} & before
    assert len(kept) == 1
    daemons.patch("ds", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "runs"}]}}}})
    daemons.until("ds", lambda body: ready(2, "numberReady")(body) and ready(2, "updatedNumberScheduled")(body))
    assert kept <= set(names(pods.items()))


@pytest.mark.conformance(
    "[sig-apps] ControllerRevision should manage the lifecycle of a ControllerRevision [Conformance] [Serial]"
)
def test_controller_revisions(kube: Kube, namespace: str) -> None:
    daemons, revisions = kube.at("apps/v1/daemonsets", namespace), kube.at("apps/v1/controllerrevisions", namespace)
    daemons.create(workload("ds", -1))
    first = revisions.settled(lambda items: len(items) == 1)[0]
    assert owned_by("DaemonSet", "ds")(first) and first["revision"] == 1
    patched = revisions.patch(first["metadata"]["name"], {"metadata": {"labels": {"own": "patched"}}})
    assert patched["metadata"]["labels"]["own"] == "patched"
    copy = {"metadata": {"name": "by-hand", "labels": {"own": "made"}}, "data": first["data"], "revision": 2}
    revisions.create(copy)
    assert names(revisions.everywhere().items(labelSelector="own=made")) == ["by-hand"]
    changed = revisions.change("by-hand", lambda body: body["metadata"]["labels"].update(own="updated"))
    assert changed["metadata"]["labels"]["own"] == "updated"
    refused(lambda: revisions.patch("by-hand", {"data": {"other": 1}}))
    revisions.delete("by-hand")
    revisions.delete_all(labelSelector="own=patched")
    revisions.settled(lambda items: [each["metadata"]["uid"] for each in items] not in ([], [first["metadata"]["uid"]]))
