"""sig-node: what a container may learn of its Pod and node in variables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.kube import Json, Kube


def told(kube: Kube, namespace: str, fields: dict[str, str], **container: Any) -> tuple[dict[str, str], Json]:
    """The values of variables that refer to these fields of the Pod (or resources, such as limits.cpu), and the Pod."""
    variables = [{"name": name, "valueFrom": _source(path)} for name, path in fields.items()]
    text = finished(kube, namespace, pod("p", "env", container={"env": variables, **container}))
    got = dict(line.split("=", 1) for line in text.splitlines())
    return {name: got[name] for name in fields}, kube.at("v1/pods", namespace).get("p")


def _source(path: str) -> Json:
    if path.startswith(("limits.", "requests.")):
        return {"resourceFieldRef": {"resource": path}}
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


@pytest.mark.conformance(
    "[sig-node] Downward API should provide pod name, namespace and IP address as env vars [Conformance]"
    " [NodeConformance]"
)
def test_name_namespace_and_address_of_the_pod(kube: Kube, namespace: str) -> None:
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_IP": "status.podIP"}
    got, made = told(kube, namespace, fields)
    assert got == {"POD_NAME": "p", "POD_NAMESPACE": namespace, "POD_IP": made["status"]["podIP"]}


@pytest.mark.conformance("[sig-node] Downward API should provide pod UID as env vars [Conformance] [NodeConformance]")
def test_uid_of_the_pod(kube: Kube, namespace: str) -> None:
    got, made = told(kube, namespace, {"POD_UID": "metadata.uid"})
    assert got["POD_UID"] == made["metadata"]["uid"]


def addresses_of_the_node(kube: Kube) -> list[str]:
    (node,) = kube.at("v1/nodes").items()
    return [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]


@pytest.mark.conformance("[sig-node] Downward API should provide host IP as an env var [Conformance] [NodeConformance]")
def test_address_of_the_node(kube: Kube, namespace: str) -> None:
    got, made = told(kube, namespace, {"HOST_IP": "status.hostIP"})
    assert [got["HOST_IP"]] == [made["status"]["hostIP"]] == addresses_of_the_node(kube)


@pytest.mark.conformance("[sig-node] Downward API should provide hostIPs as an env var [Conformance] [NodeConformance]")
def test_all_addresses_of_the_node(kube: Kube, namespace: str) -> None:
    got, made = told(kube, namespace, {"HOST_IPS": "status.hostIPs"})
    assert got["HOST_IPS"].split(",") == [each["ip"] for each in made["status"]["hostIPs"]]
    assert got["HOST_IPS"].split(",") == addresses_of_the_node(kube)


RESOURCES = {
    "CPU_LIMIT": "limits.cpu",
    "MEMORY_LIMIT": "limits.memory",
    "CPU_REQUEST": "requests.cpu",
    "MEMORY_REQUEST": "requests.memory",
}


@pytest.mark.conformance(
    "[sig-node] Downward API should provide container's limits.cpu/memory and requests.cpu/memory as env vars"
    " [Conformance] [NodeConformance]"
)
def test_resources_of_the_container(kube: Kube, namespace: str) -> None:
    resources = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
    got, _ = told(kube, namespace, RESOURCES, resources=resources)
    # Whole CPUs, rounded up, because no divisor asks for anything finer.
    assert got == {
        "CPU_LIMIT": "2",
        "MEMORY_LIMIT": str(64 << 20),
        "CPU_REQUEST": "1",
        "MEMORY_REQUEST": str(32 << 20),
    }


@pytest.mark.conformance(
    "[sig-node] Downward API should provide default limits.cpu/memory from node allocatable [Conformance]"
    " [NodeConformance]"
)
def test_without_limits_the_node_is_the_limit(kube: Kube, namespace: str) -> None:
    got, _ = told(kube, namespace, {"CPU_LIMIT": "limits.cpu", "MEMORY_LIMIT": "limits.memory"})
    (node,) = kube.at("v1/nodes").items()
    allocatable = node["status"]["allocatable"]
    assert got["CPU_LIMIT"] == allocatable["cpu"]
    assert allocatable["memory"] == f"{int(got['MEMORY_LIMIT']) // 1024}Ki"
