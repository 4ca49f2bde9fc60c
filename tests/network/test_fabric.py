"""The cables between nodes, in real namespaces."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from podling.network import netlink
from podling.network.fabric import Member, link_name, weave
from podling.network.namespaces import inside, netlink_inside, new_netns, socket_inside
from tests.network.nodes import SERVICES

pytestmark = pytest.mark.real
_LOOPBACK = 1


def member(number: int) -> Member:
    pods = IPv4Network(f"10.244.{number - 1}.0/24")
    return Member(number, new_netns(), IPv4Address(f"172.31.0.{number + 1}"), pods)


@pytest.fixture
def nodes() -> Iterator[list[Member]]:
    made = [member(number) for number in (1, 2, 7)]
    yield made
    for each in made:
        os.close(each.netns_fd)


def inhabit(node: Member) -> str:
    """An address of the node's Pod network that answers there."""
    address = node.pods[5]
    with netlink_inside(node.netns_fd) as end:
        end.run([netlink.new_address(_LOOPBACK, address)])
    return str(address)


def seen_from(client: Member, server: Member, address: str) -> str:
    """The client's address as the server sees it. Raises OSError."""
    with socket_inside(server.netns_fd, socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, 8080))
        listening.listen()
        listening.settimeout(3)
        with socket_inside(client.netns_fd, socket.AF_INET, socket.SOCK_STREAM) as connecting:
            connecting.settimeout(3)
            connecting.connect((address, 8080))
            connection, peer = listening.accept()
            connection.close()
            return str(peer[0])


def links(node: Member) -> set[str]:
    return {name for _, name in inside(node.netns_fd, socket.if_nameindex) if name.startswith("fabric")}


def test_every_node_reaches_every_other_and_its_pods_under_its_own_address(nodes: list[Member]) -> None:
    assert weave(nodes, SERVICES) == 3
    for server in nodes:
        pod = inhabit(server)
        for client in nodes:
            if client is not server:
                assert seen_from(client, server, pod) == str(client.address)
                assert seen_from(client, server, str(server.address)) == str(client.address)


def test_joining_again_makes_nothing_new(nodes: list[Member]) -> None:
    weave(nodes, SERVICES)
    assert weave(nodes, SERVICES) == 0
    assert links(nodes[0]) == {link_name(2), link_name(7)}


def test_a_node_that_died_is_out_of_reach_at_once_and_joined_anew_when_it_is_back(nodes: list[Member]) -> None:
    first, second, _ = nodes
    weave(nodes, SERVICES)
    back = member(2)
    os.close(second.netns_fd)  # its namespace may still be on its way out
    nodes[1] = back
    assert weave(nodes, SERVICES) == 2
    assert seen_from(first, back, inhabit(back)) == str(first.address)
    assert seen_from(back, first, inhabit(first)) == str(back.address)


def test_a_node_more_does_not_touch_the_cables_there_are(nodes: list[Member]) -> None:
    weave(nodes, SERVICES)
    pod = inhabit(nodes[1])
    with (
        socket_inside(nodes[1].netns_fd, socket.AF_INET, socket.SOCK_STREAM) as listening,
        socket_inside(nodes[0].netns_fd, socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listening.bind((pod, 8080))
        listening.listen()
        client.settimeout(3)
        client.connect((pod, 8080))
        connection, _ = listening.accept()
        nodes.append(member(3))
        assert weave(nodes, SERVICES) == 3
        client.sendall(b"still there")
        connection.settimeout(3)
        assert connection.recv(100) == b"still there"
        connection.close()


def test_a_namespace_with_links_of_others_is_left_alone(nodes: list[Member]) -> None:
    stranger = nodes[2]
    with netlink_inside(stranger.netns_fd) as end:
        end.run([netlink.new_veth("eth7", "eth8", nodes[1].netns_fd)])
    with pytest.raises(RuntimeError, match="not a namespace of ours: it has eth7"):
        weave(nodes, SERVICES)
    assert links(stranger) == set()
