"""sig-node: containers that are added to a running Pod, and whose processes they see."""

from __future__ import annotations

import pytest

from tests.conformance.containers.pods import finished, log, pod
from tests.conformance.containers.test_node_subpaths import WAIT, running
from tests.conformance.kube import Json, Kube, eventually
from tests.e2e.harness import Cluster

COMMANDS = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"


def ephemeral(name: str, script: str, **fields: object) -> Json:
    """What a patch of the subresource says to add a container."""
    container = {"name": name, "image": "host:1", "command": ["sh", "-c", script], **fields}
    return {"spec": {"ephemeralContainers": [container]}}


def state(found: Json, name: str) -> Json:
    statuses = found["status"].get("ephemeralContainerStatuses") or ()
    return next((dict(each["state"]) for each in statuses if each["name"] == name), {})


@pytest.mark.conformance(
    "[sig-node] Ephemeral Containers will start an ephemeral container in an existing pod "
    "[Conformance] [NodeConformance]"
)
def test_a_container_is_added_to_a_running_pod(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    before = pods.create(pod("p", WAIT))
    pods.until("p", running)
    added = ephemeral("debugger", "echo polo; cat", stdin=True, tty=True)
    pods.patch("p", added, "strategic-merge", "ephemeralcontainers")
    pods.until("p", lambda found: "running" in state(found, "debugger"))
    eventually(lambda: log(kube, namespace, "p", "debugger").strip() == "polo")
    found = pods.get("p")
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0
    pods.delete("p", gracePeriodSeconds=0)


def test_an_added_container_sees_the_processes_of_its_target_alone(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    body = pod("p", f"true the-target; {WAIT}")
    body["spec"]["containers"].append(
        {"name": "other", "image": "host:1", "command": ["sh", "-c", f"true aside; {WAIT}"]}
    )
    pods.create(body)
    pods.until("p", running)
    for name, target in (("aimed", {"targetContainerName": "c"}), ("alone", {})):
        pods.patch("p", ephemeral(name, COMMANDS, **target), "strategic-merge", "ephemeralcontainers")
        ended = pods.until("p", lambda found, name=name: "terminated" in state(found, name))
        assert state(ended, name)["terminated"]["exitCode"] == 0
    assert "the-target" in log(kube, namespace, "p", "aimed")
    assert "aside" not in log(kube, namespace, "p", "aimed")
    assert "the-target" not in log(kube, namespace, "p", "alone")
    pods.delete("p", gracePeriodSeconds=0)


def test_kubectl_debugs_a_running_container(kube: Kube, namespace: str, cluster: Cluster) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(pod("p", f"true the-target; {WAIT}"))
    pods.until("p", running)
    words = ("debug", "p", "-n", namespace, "--image=host:1", "--target=c", "--container=d", "--attach=true", "-q")
    said = cluster.kubectl(*words, "--", "sh", "-c", f"sleep 0.3; {COMMANDS}").ok()
    told = said.out or log(kube, namespace, "p", "d")
    assert "the-target" in told
    pods.delete("p", gracePeriodSeconds=0)


def test_kubectl_debugs_the_node(kube: Kube, namespace: str, cluster: Cluster) -> None:
    node = kube.at("v1/nodes").items()[0]["metadata"]["name"]
    words = ("debug", f"node/{node}", "-n", namespace, "--image=host:1", "--profile=sysadmin", "-q")
    cluster.kubectl(*words, "--", "sh", "-c", "test -d /host/proc && echo seen").ok()
    pods = kube.at("v1/pods", namespace)
    [found] = pods.settled(lambda items: items and items[0]["status"].get("phase") == "Succeeded")
    assert log(kube, namespace, found["metadata"]["name"], "debugger").strip() == "seen"


def test_containers_of_a_pod_may_share_their_processes(kube: Kube, namespace: str) -> None:
    body = pod("p", f"sleep 0.2; {COMMANDS}; kill -TERM 1; echo survived", shareProcessNamespace=True)
    aside = {"name": "aside", "image": "host:1", "command": ["sh", "-c", "true aside; sleep 0.5"]}
    body["spec"]["containers"].append(aside)
    text = finished(kube, namespace, body)
    assert "true aside" in text
    assert text.strip().endswith("survived")
