"""The node's own namespace, and what it must never be mistaken for."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.network.apirelay import relay_api
from podling.network.namespaces import new_netns, socket_inside
from podling.network.node import set_up_node
from podling.network.pod import PodNetwork
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, SERVICES, on_a_node

pytestmark = pytest.mark.real


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, check=True, text=True).stdout


def test_a_namespace_with_links_of_others_is_left_alone() -> None:
    async def scenario() -> str:
        ip("link", "add", "eth7", "type", "veth", "peer", "name", "eth8")
        set_up_node(NODE_IP, SERVICES)
        ip("link", "set", "eth7", "up")
        before = ip("addr")
        with pytest.raises(RuntimeError) as failure:
            set_up_node("172.31.9.9", SERVICES)
        assert ip("addr") == before
        return str(failure.value)

    assert "eth7" in on_a_node(scenario)


def test_setting_up_twice_changes_nothing() -> None:
    async def scenario() -> tuple[str, str]:
        states = []
        for _ in range(2):
            set_up_node(NODE_IP, SERVICES)
            states.append(ip("addr") + ip("route", "show", "table", "all") + ip("rule"))
        return states[0], states[1]

    first, second = on_a_node(scenario)
    assert first == second
    assert f"local {SERVICES} dev lo" in first
    assert "\ndefault" not in first


def test_pods_reach_the_api_at_the_nodes_address(tmp_path: Path) -> None:
    path = str(tmp_path / "api.sock")

    async def scenario() -> bytes:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"api heard " + await reader.readline())
            writer.close()

        async with Supervisor() as tasks:
            await asyncio.start_unix_server(greet, path)
            await relay_api(NODE_IP, 6443, path, tasks)
            pod = new_netns()
            await PodNetwork("10.244.0.0/24", NODE_IP, SystemEnv()).add("a", pod)
            client = socket_inside(pod, socket.AF_INET, socket.SOCK_STREAM)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, (NODE_IP, 6443))
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"hello\n")
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer

    assert on_a_node(scenario) == b"api heard hello\n"
