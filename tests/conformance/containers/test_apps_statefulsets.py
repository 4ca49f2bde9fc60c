"""sig-apps: a StatefulSet replaces a Pod that its node would not take, until the node takes it."""

from __future__ import annotations

import pytest

from tests.conformance.containers.pods import IMAGE
from tests.conformance.kube import Json, Kube

HOST_PORT = 21017


def spec(node: str) -> Json:
    """On this node without asking the scheduler, and with a port of the node that one Pod can have."""
    port = {"containerPort": HOST_PORT, "hostPort": HOST_PORT}
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "infinity"], "ports": [port]}
    return {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}


@pytest.mark.conformance(
    "[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset"
    " [Conformance]"
)
def test_a_pod_that_was_evicted_is_made_again(kube: Kube, namespace: str) -> None:
    node = kube.at("v1/nodes").items()[0]["metadata"]["name"]
    pods, sets = kube.at("v1/pods", namespace), kube.at("apps/v1/statefulsets", namespace)
    pods.create({"metadata": {"name": "in-the-way"}, "spec": spec(node)})
    pods.until("in-the-way", lambda found: found["status"].get("phase") == "Running")
    labels = {"app": "ss"}
    template = {"metadata": {"labels": labels}, "spec": spec(node)}
    with pods.watch(labelSelector="app=ss") as watch:
        body = {"serviceName": "test", "replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        sets.create({"metadata": {"name": "ss"}, "spec": body})
        refused = watch.until("MODIFIED", lambda found: found["status"].get("phase") == "Failed")
        assert refused["metadata"]["name"] == "ss-0" and refused["status"]["reason"] == "NodePorts"
        watch.until("DELETED", lambda found: found["metadata"]["uid"] == refused["metadata"]["uid"])
        again = watch.until("ADDED")
        assert again["metadata"]["name"] == "ss-0"
    pods.delete("in-the-way")
    running = pods.settled(
        lambda found: [each["status"].get("phase") for each in found] == ["Running"], labelSelector="app=ss"
    )
    assert running[0]["metadata"]["name"] == "ss-0"
    assert running[0]["metadata"]["uid"] != refused["metadata"]["uid"]
    sets.until("ss", lambda found: found["status"].get("readyReplicas") == 1)
