"""sig-network: ports that Pods publish on their node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.nets import HTTP, UDP, Host, Net, net, server
from tests.conformance.kube import Json, Kube, eventually

PORT = 54323


@pytest.fixture(scope="module")
def pods(kube: Kube) -> Iterator[Net]:
    with net(kube) as found:
        yield found


def published(port: int, target: int = HTTP, protocol: str = "TCP", address: str = "") -> Json:
    given = {"containerPort": target, "hostPort": port, "protocol": protocol}
    return {"ports": [given | ({"hostIP": address} if address else {})]}


@pytest.mark.conformance(
    "[sig-network] HostPort validates that there is no conflict between pods with same hostPort but different hostIP "
    "and protocol [LinuxOnly] [Conformance]"
)
def test_one_port_is_given_once_an_address_and_protocol(kube: Kube, pods: Net) -> None:
    host = Host(kube)
    pods.pods.create(server("inside", "http=9080", hostNetwork=True, container={"ports": [{"containerPort": 9080}]}))
    pods.start(
        server("pod1", container=published(PORT, address="127.0.0.1")),
        server("pod2", container=published(PORT, address=host.internal)),
        server("pod3", container=published(PORT, UDP, "UDP", host.internal)),
    )
    pods.serves("inside:9080")
    node = {each["spec"]["nodeName"] for each in pods.pods.items()}
    assert len(node) == 1, "all are on the same node"
    inside = "inside:9080"
    pods.reach(inside, "127.0.0.1", PORT, ["pod1"])
    pods.reach(inside, host.internal, PORT, ["pod2"])
    pods.reach(inside, host.internal, PORT, ["pod3"], "udp")
    pods.reach("pod1", host.internal, PORT, ["pod2"])
    eventually(lambda: host.ask(PORT) == "pod2")
    eventually(lambda: host.say(PORT) == "pod3")


def test_a_port_goes_with_its_pod(kube: Kube, pods: Net) -> None:
    host = Host(kube)
    pods.start(server("here", container=published(54400)))
    eventually(lambda: host.ask(54400) == "here")
    pods.pods.delete("here", gracePeriodSeconds=0)
    eventually(lambda: host.ask(54400) == "")


def test_a_port_of_a_pod_in_the_nodes_network_is_reached_from_this_machine(kube: Kube, pods: Net) -> None:
    host = Host(kube)
    ports = {"ports": [{"containerPort": 9081}]}
    pods.pods.create(server("node", "http=9081", hostNetwork=True, container=ports))
    eventually(lambda: host.ask(9081) == host.node)
