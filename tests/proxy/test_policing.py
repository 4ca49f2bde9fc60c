"""NetworkPolicies from the API to the rules of a node."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.resources import NETWORKPOLICIES, PODS, SERVICEACCOUNTS
from podling.client.transport import Transport
from podling.env import SystemEnv
from podling.network.unixdialer import RefusingDialer
from podling.proxy.policing import Policing
from podling.proxy.policytext import TABLE
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, on_a_node

pytestmark = pytest.mark.real
WEB, CLIENT = "10.244.0.2", "10.244.0.3"
TARGET = (WEB, 80)
ONLY_CLIENTS = {
    "podSelector": {"matchLabels": {"app": "web"}},
    "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
}


class Node:
    def __init__(self, api: Transport) -> None:
        self.api = api
        self.policing = Policing(api, SystemEnv(), NODE_IP, "10.244.0.0/16")

    async def pod(self, name: str, address: str, **spec: Any) -> None:
        """A Pod on this node that runs."""
        spec |= {"nodeName": "n1", "containers": [{"name": "c", "image": "x"}]}
        body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        await self.api.request("POST", PODS.path("default"), body=body)
        await self.status(name, {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]})

    async def status(self, name: str, status: dict[str, Any]) -> None:
        path, media = PODS.path("default", name, "status"), "application/merge-patch+json"
        await self.api.request("PATCH", path, body={"status": status}, content_type=media)

    async def policy(self, spec: dict[str, Any]) -> None:
        body = {"metadata": {"name": "only"}, "spec": spec}
        await self.api.request("POST", NETWORKPOLICIES.path("default"), body=body)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


def rules() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True, text=True).stdout


def run(scenario: Callable[[Node], Awaitable[None]]) -> None:
    async def with_a_node() -> None:
        env, storage = SystemEnv(), MemoryStorage()
        server = ApiServer(Config(kubernetes_service=False), storage, env, RefusingDialer("no node"))
        await server.start()
        api = server.transport("system:node:n1", ("system:masters",))
        async with Supervisor() as tasks:
            await api.request("POST", SERVICEACCOUNTS.path("default"), body={"metadata": {"name": "default"}})
            node = Node(api)
            tasks.start("policing", node.policing.run())
            await scenario(node)
        await server.stop()
        await storage.close()

    on_a_node(with_a_node)


def test_rules_are_there_for_as_long_as_a_policy_isolates_somebody() -> None:
    async def scenario(node: Node) -> None:
        permits = node.policing.permits
        await node.pod("web", WEB)
        await node.pod("client", CLIENT)
        assert permits("10.244.0.9", TARGET, "TCP") and TABLE not in rules()
        await node.policy(ONLY_CLIENTS)
        await node.until(lambda: not permits("10.244.0.9", TARGET, "TCP"))
        await node.until(lambda: f"{WEB} : goto" in rules())
        assert permits(CLIENT, TARGET, "TCP") and permits(NODE_IP, TARGET, "TCP")
        await node.api.request("DELETE", NETWORKPOLICIES.path("default", "only"))
        await node.until(lambda: TABLE not in rules())
        assert permits("10.244.0.9", TARGET, "TCP")

    run(scenario)


def test_pods_that_have_ended_or_share_the_nodes_network_are_nobody() -> None:
    async def scenario(node: Node) -> None:
        await node.policy(ONLY_CLIENTS)
        await node.pod("web", WEB)
        await node.pod("client", NODE_IP, hostNetwork=True)
        await node.pod("simulated", "100.64.0.9")
        await node.until(lambda: f"{WEB} : goto" in rules())
        assert not node.policing.permits(CLIENT, TARGET, "TCP") and "100.64.0.9" not in rules()
        assert f"{NODE_IP} . {NODE_IP}" not in rules()
        await node.status("web", {"phase": "Succeeded"})
        await node.until(lambda: TABLE not in rules())

    run(scenario)
