"""Pods on their cables, in real namespaces."""

from __future__ import annotations

import asyncio
import os
import socket
from ipaddress import IPv4Address

import pytest

from podling.env import SystemEnv
from podling.network.namespaces import inside, new_netns, socket_inside
from podling.network.pod import PodNetwork, link_name
from tests.network.nodes import NODE_IP, PODS, on_a_node

pytestmark = pytest.mark.real


def listening(netns: int, address: str, port: int = 8080) -> socket.socket:
    """A server in a Pod's namespace that sends back where the client came from."""
    server = socket_inside(netns, socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    server.setblocking(False)
    return server


async def seen_by_server(server: socket.socket, client: socket.socket, address: str, port: int = 8080) -> str:
    """Connect and return the client's address as the server sees it."""
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    (connection, peer), _ = await asyncio.wait_for(
        asyncio.gather(loop.sock_accept(server), loop.sock_connect(client, (address, port))), 5
    )
    connection.close()
    client.close()
    return str(peer[0])


def test_pods_reach_each_other_and_the_node_reaches_them_with_its_own_address() -> None:
    async def scenario() -> tuple[str, str, str, str]:
        network = PodNetwork(PODS, NODE_IP, SystemEnv())
        first, second = new_netns(), new_netns()
        ip_1, ip_2 = await asyncio.gather(network.add("a", first), network.add("b", second))
        server = listening(first, ip_1)
        from_pod = await seen_by_server(server, socket_inside(second, socket.AF_INET, socket.SOCK_STREAM), ip_1)
        from_node = await seen_by_server(server, socket.socket(), ip_1)
        return ip_1, ip_2, from_pod, from_node

    ip_1, ip_2, from_pod, from_node = on_a_node(scenario)
    assert ip_1 != ip_2
    assert from_pod == ip_2
    assert from_node == NODE_IP


def test_a_pod_has_a_working_loopback_and_no_way_out_of_the_machine() -> None:
    async def scenario() -> str:
        network = PodNetwork(PODS, NODE_IP, SystemEnv())
        pod = new_netns()
        await network.add("a", pod)
        server = listening(pod, "127.0.0.1")
        loopback = await seen_by_server(server, socket_inside(pod, socket.AF_INET, socket.SOCK_STREAM), "127.0.0.1")
        client = socket_inside(pod, socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(5)
        with pytest.raises(OSError, match="unreachable"):
            client.connect(("192.0.2.1", 80))
        return loopback

    assert on_a_node(scenario) == "127.0.0.1"


def test_a_removed_pod_is_out_of_reach_and_its_address_goes_to_another() -> None:
    async def scenario() -> str:
        network = PodNetwork("10.244.0.0/30", NODE_IP, SystemEnv())
        old, new = new_netns(), new_netns()
        ip = await network.add("a", old)
        listening(old, ip)
        await network.remove("a")
        with pytest.raises(OSError, match="unreachable"):
            socket.create_connection((ip, 8080), 5)
        await network.remove("a")
        assert await network.add("b", new) == ip
        assert inside(old, socket.if_nameindex) == [(1, "lo")]
        return await seen_by_server(listening(new, ip), socket.socket(), ip)

    assert on_a_node(scenario) == NODE_IP


def test_a_cable_left_halfway_by_a_dead_process_is_made_anew() -> None:
    async def scenario() -> str:
        pod = new_netns()
        ip = await PodNetwork(PODS, NODE_IP, SystemEnv()).add("a", pod)
        newborn = PodNetwork(PODS, NODE_IP, SystemEnv())
        assert await newborn.add("a", pod) == ip
        return await seen_by_server(listening(pod, ip), socket.socket(), ip)

    assert on_a_node(scenario) == NODE_IP


def test_the_link_goes_with_the_pods_namespace() -> None:
    async def scenario() -> None:
        network = PodNetwork(PODS, NODE_IP, SystemEnv())
        pod = new_netns()
        name = link_name(IPv4Address(await network.add("a", pod)))
        os.close(pod)
        for _ in range(500):  # the kernel takes namespaces down in the background
            if name not in {name for _, name in socket.if_nameindex()}:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the link outlived the namespace")

    on_a_node(scenario)
