"""The proxy as a whole: a real API in the process, a real node namespace, both modes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.informer import Informers
from podling.client.resources import ENDPOINTSLICES, NODES
from podling.client.resources import SERVICES as SERVICE_RESOURCE
from podling.client.transport import Transport
from podling.env import SystemEnv
from podling.network.apirelay import listener
from podling.network.publish import Published
from podling.network.unixdialer import RefusingDialer
from podling.proxy.proxy import Proxy, ProxyConfig
from podling.proxy.services import Front
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, SERVICES, on_a_node
from tests.suites.proxy import World

pytestmark = pytest.mark.real

HOST_ADDRESS = "127.77.9.2"
MODES = pytest.mark.parametrize("mode", ["nftables", "userspace"])


class Host:
    """The host's listeners, here on the node's own loopback."""

    def __init__(self) -> None:
        self.held: dict[Published, socket.socket] = {}

    async def listen(self, port: Published) -> socket.socket:
        if port not in self.held:
            kind = socket.SOCK_DGRAM if port.protocol == "UDP" else socket.SOCK_STREAM
            self.held[port] = listener(port.address, port.port, kind)
            if port.protocol == "TCP":
                self.held[port].listen()
        return self.held[port].dup()

    async def unlisten(self, port: Published) -> None:
        self.held.pop(port).close()

    async def listening(self) -> frozenset[Published]:
        return frozenset(self.held)


class Cluster:
    """The API and the proxy of its one node."""

    proxy: Proxy

    def __init__(self, api: Transport, informers: Informers, tasks: Supervisor) -> None:
        self.api, self._informers, self._tasks = api, informers, tasks
        self.world, self.host = World(), Host()

    async def start_proxy(self, mode: str) -> None:
        config = ProxyConfig("n1", NODE_IP, SERVICES, HOST_ADDRESS)
        self.proxy = Proxy(self._informers, mode, SystemEnv(), config, self.host)
        self._running = self._tasks.start("proxy", self.proxy.run())

    async def end_proxy(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])

    async def service(self, name: str = "web", **spec: Any) -> dict[str, Any]:
        spec = {"ports": [{"port": 80, "targetPort": 8080}]} | spec
        body = {"metadata": {"name": name}, "spec": spec}
        answer = await self.api.request("POST", SERVICE_RESOURCE.path("default"), body=body)
        await self.proxy.wait_applied(services=answer.revision)
        return answer.object

    async def endpoints(self, *addresses: str, name: str = "web", zones: tuple[str, ...] = ()) -> None:
        """Make these the Service's endpoints, each hinted for a zone, and wait until they are in force."""
        made: dict[str, Any] = {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        }
        for endpoint, zone in zip(made["endpoints"], zones, strict=False):
            endpoint["hints"] = {"forZones": [{"name": zone}]}
        found = await self.api.list(ENDPOINTSLICES, namespace="default", field_selector=f"metadata.name={name}")
        verb, path = ("PUT", name) if found.items else ("POST", "")
        answer = await self.api.request(verb, ENDPOINTSLICES.path("default", path), body=made)  # type: ignore[arg-type]
        await self.proxy.wait_applied(endpointslices=answer.revision)


@asynccontextmanager
async def cluster(mode: str) -> AsyncIterator[Cluster]:
    env = SystemEnv()
    storage = MemoryStorage()
    server = ApiServer(Config(kubernetes_service=False), storage, env, RefusingDialer("no node"))
    await server.start()
    api = server.transport("system:node:n1", ("system:masters",))
    async with Supervisor() as tasks:
        informers = Informers(api, env)
        tasks.start("informers", informers.run())
        made = Cluster(api, informers, tasks)
        await made.start_proxy(mode)
        yield made
    await server.stop()
    await storage.close()


def run(mode: str, scenario: Callable[[Cluster], Awaitable[Any]]) -> Any:
    async def with_a_cluster() -> Any:
        async with cluster(mode) as made:
            return await scenario(made)

    return on_a_node(with_a_cluster)


def front(service: dict[str, Any]) -> Front:
    return Front(service["spec"]["clusterIP"], 80, "TCP")


@MODES
def test_a_service_of_the_api_is_served_and_follows_its_endpoints(mode: str) -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service()
        await made.endpoints(a)
        assert await made.world.answers(5, front(web)) == {"a": 5}
        await made.endpoints(b)
        assert await made.world.answers(5, front(web)) == {"b": 5}
        await made.endpoints()
        with pytest.raises(ConnectionRefusedError):
            await made.world.ask(front(web))

    run(mode, scenario)


@MODES
def test_a_node_port_is_published_on_the_hosts_address_and_gone_with_its_service(mode: str) -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service(type="NodePort")
        port = web["spec"]["ports"][0]["nodePort"]
        await made.endpoints(a, b)
        assert set(await made.world.answers(10, Front(HOST_ADDRESS, port, "TCP"))) == {"a", "b"}
        assert set(await made.world.answers(30, Front(NODE_IP, port, "TCP"), "a")) == {"a", "b"}
        answer = await made.api.request("DELETE", SERVICE_RESOURCE.path("default", "web"))
        await made.proxy.wait_applied(services=answer.revision or made.proxy.applied.services + 1)
        assert made.host.held == {}
        for front in (Front(HOST_ADDRESS, port, "TCP"), Front(NODE_IP, port, "TCP")):
            with pytest.raises(ConnectionRefusedError):
                await made.world.ask(front)

    run(mode, scenario)


@MODES
def test_a_published_port_gives_a_refused_connection_to_another_pod(mode: str) -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service(type="NodePort")
        await made.endpoints(a, b)
        made.world.die("a")
        port = Front(HOST_ADDRESS, web["spec"]["ports"][0]["nodePort"], "TCP")
        assert await made.world.answers(20, port) == {"b": 20}

    run(mode, scenario)


@pytest.mark.timed
@MODES
def test_new_endpoints_are_in_force_within_fifty_milliseconds(mode: str) -> None:
    async def scenario(made: Cluster) -> list[float]:
        pods = [(await made.world.pod(name))[0] for name in "ab"]
        web = await made.service()
        took = []
        for number in range(11):
            start = time.perf_counter()
            await made.endpoints(pods[number % 2])
            took.append(time.perf_counter() - start)
            assert (await made.world.ask(front(web)))[0] == "ab"[number % 2]
        return took

    took = run(mode, scenario)
    assert sorted(took)[5] < 0.05


def test_the_mode_is_switched_at_run_time_and_leaves_nothing() -> None:
    async def scenario(made: Cluster) -> None:
        a, _ = await made.world.pod("a")
        web = await made.service(type="NodePort", externalIPs=["192.0.2.7"])
        await made.endpoints(a)
        fronts = [
            front(web),
            Front("192.0.2.7", 80, "TCP"),
            Front(HOST_ADDRESS, web["spec"]["ports"][0]["nodePort"], "TCP"),
        ]
        for mode in ("userspace", "nftables", "userspace"):
            await made.proxy.switch(mode)
            assert made.proxy.mode == mode
            for each in fronts:
                assert await made.world.answers(3, each, "a" if each.address == "192.0.2.7" else "") == {"a": 3}
            rules = output("nft", "list", "ruleset")
            routes = output("ip", "route", "show", "table", "local")
            assert ("podling" in rules) == (mode == "nftables")
            assert ("192.0.2.7" in routes) == (mode == "userspace")
        await made.endpoints()
        with pytest.raises(ConnectionRefusedError):
            await made.world.ask(front(web))

    run("nftables", scenario)


def test_an_open_connection_survives_the_switch_to_nftables() -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service()
        await made.endpoints(a)
        for source in ("", "b"):
            reader, writer = await made.world.connect(front(web), source)
            assert (await reader.readline()).startswith(b"a ")
            await made.proxy.switch("nftables")
            await made.endpoints(b)
            for _ in range(3):
                writer.write(b"still there?\n")
                assert await asyncio.wait_for(reader.readline(), 5) == b"a heard still there?\n"
            assert await made.world.answers(3, front(web), source) == {"b": 3}
            writer.close()
            await made.endpoints(a)
            await made.proxy.switch("userspace")

    run("userspace", scenario)


def test_rules_outlive_the_proxy_until_the_next_one_replaces_them() -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service()
        await made.endpoints(a)
        reader, writer = await made.world.connect(front(web), "b")
        assert await reader.readline()
        await made.end_proxy()
        assert await made.world.answers(3, front(web)) == {"a": 3}
        await made.start_proxy("nftables")
        await made.endpoints(b)
        assert await made.world.answers(3, front(web)) == {"b": 3}
        writer.write(b"still there?\n")
        assert await reader.readline() == b"a heard still there?\n"
        writer.close()
        await made.end_proxy()
        await made.start_proxy("userspace")
        await made.endpoints(a)
        assert output("nft", "list", "ruleset") == ""
        assert await made.world.answers(3, front(web)) == {"a": 3}

    run("nftables", scenario)


def test_the_zone_of_the_node_decides_which_endpoints_are_near() -> None:
    async def scenario(made: Cluster) -> None:
        (a, _), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        web = await made.service()
        await made.endpoints(a, b, zones=("here", "there"))
        assert set(await made.world.answers(30, front(web))) == {"a", "b"}
        node = {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "there"}}}
        await made.api.request("POST", NODES.path(), body=node)
        async with asyncio.timeout(5):
            while set(await made.world.answers(10, front(web))) != {"b"}:
                await asyncio.sleep(0.01)

    run("nftables", scenario)


def test_an_unknown_mode_is_refused_and_the_old_one_goes_on() -> None:
    async def scenario(made: Cluster) -> None:
        a, _ = await made.world.pod("a")
        web = await made.service()
        await made.endpoints(a)
        for name, words in (("ipvs", "nftables does the same"), ("magic", "there are nftables, userspace")):
            with pytest.raises(ValueError, match=words):
                await made.proxy.switch(name)
        assert await made.world.answers(3, front(web)) == {"a": 3}

    run("userspace", scenario)


def test_rules_that_somebody_deleted_come_back_with_the_next_change() -> None:
    async def scenario(made: Cluster) -> None:
        a, _ = await made.world.pod("a")
        web = await made.service()
        output("nft", "delete", "table", "ip", "podling")
        await made.endpoints(a)
        assert await made.world.answers(3, front(web)) == {"a": 3}

    run("nftables", scenario)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout
