"""sig-network: Pods and the node reach every Pod at its own address, by HTTP and by UDP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, UDP, Net, net, server
from tests.conformance.kube import Kube

OF_NODE = 18080


@pytest.fixture(scope="module")
def pods(kube: Kube) -> Iterator[Net]:
    """Two servers, one who asks, and one who asks from the node's own network."""
    with net(kube) as found:
        on_node = server("on-node", f"http={OF_NODE}", hostNetwork=True)
        for each in (server("one"), server("two"), server("asking"), on_node):
            found.pods.create(each)
        for name in ("one", "two", "asking", f"on-node:{OF_NODE}"):
            found.serves(name)
        yield found


def everybody_answers(pods: Net, client: str, port: int, protocol: str) -> None:
    """Each server under its own address, and no other."""
    for name in ("one", "two"):
        answers = pods.dial(client, pods.ip(name), port, 5, protocol)
        assert answers.heard == [name] * 5, answers


@pytest.mark.conformance(
    "[sig-network] Networking Granular Checks: Pods should function for intra-pod communication: http"
    " [Conformance] [NodeConformance]"
)
def test_pods_reach_pods_by_http(pods: Net) -> None:
    everybody_answers(pods, "asking", HTTP, "http")
    assert pods.dial("asking", pods.ip("one"), HTTP, path="/client").heard == [pods.ip("asking")]


@pytest.mark.conformance(
    "[sig-network] Networking Granular Checks: Pods should function for intra-pod communication: udp"
    " [Conformance] [NodeConformance]"
)
def test_pods_reach_pods_by_udp(pods: Net) -> None:
    everybody_answers(pods, "asking", UDP, "udp")
    assert pods.dial("asking", pods.ip("one"), UDP, protocol="udp", path="/client").heard == [pods.ip("asking")]


@pytest.mark.conformance(
    "[sig-network] Networking Granular Checks: Pods should function for node-pod communication: http"
    " [LinuxOnly] [Conformance] [NodeConformance]"
)
def test_the_node_reaches_pods_by_http(pods: Net) -> None:
    assert pods.pods.get("on-node")["status"]["podIP"] == pods.pods.get("on-node")["status"]["hostIP"]
    everybody_answers(pods, f"on-node:{OF_NODE}", HTTP, "http")


@pytest.mark.conformance(
    "[sig-network] Networking Granular Checks: Pods should function for node-pod communication: udp"
    " [LinuxOnly] [Conformance] [NodeConformance]"
)
def test_the_node_reaches_pods_by_udp(pods: Net) -> None:
    everybody_answers(pods, f"on-node:{OF_NODE}", UDP, "udp")


def test_pods_reach_the_node(pods: Net) -> None:
    address = pods.pods.get("on-node")["status"]["hostIP"]
    node = pods.pods.get("on-node")["spec"]["nodeName"]
    assert pods.dial("asking", address, OF_NODE, 3).heard == [node] * 3


def test_a_pod_reaches_itself_under_its_own_address(pods: Net) -> None:
    assert pods.dial("one", pods.ip("one"), HTTP, 3).heard == ["one"] * 3
