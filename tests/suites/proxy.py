"""What every proxy mode must do, with real Pods' namespaces and real sockets on a node of their own.

A mode's test file subclasses `ProxySuite` with its name. Each scenario runs in a child process inside a fresh node
namespace (`tests/network/nodes.py`); servers in Pods answer with their name and the address they see as the client.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from podling.env import SystemEnv
from podling.network.namespaces import new_netns, socket_inside
from podling.network.pod import PodNetwork
from podling.proxy.mode import Mode, ModeConfig, find_mode
from podling.proxy.services import Change, Front, Rule
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, PODS, SERVICES, on_a_node

VIP = Front("10.96.0.10", 80, "TCP")
UDP_VIP = Front("10.96.0.10", 53, "UDP")
NODE_PORT = Front(NODE_IP, 30080, "TCP")
EXTERNAL = Front("192.0.2.7", 80, "TCP")
PORT = 8080
NODE = ""


class World:
    """A node with Pods that serve."""

    mode: Mode

    def __init__(self) -> None:
        self.ips: dict[str, str] = {}
        self._netns: dict[str, int] = {}
        self._network = PodNetwork(PODS, NODE_IP, SystemEnv())
        self._servers: dict[str, list[asyncio.Server | asyncio.DatagramTransport]] = {}

    async def pod(self, name: str) -> tuple[str, int]:
        """A Pod that serves TCP and UDP on PORT; returns its endpoint."""
        netns = self._netns[name] = new_netns()
        ip = self.ips[name] = await self._network.add(name, netns)

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}\n".encode())
            while line := await reader.readline():
                writer.write(name.encode() + b" heard " + line)
            writer.close()

        loop = asyncio.get_running_loop()
        tcp, udp = (self._socket(name, kind, ip) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Echo(name), sock=udp)
        self._servers[name] = [await asyncio.start_server(greet, sock=tcp), datagrams]
        return ip, PORT

    def die(self, name: str) -> None:
        """The process of the Pod ends, its address stays."""
        for server in self._servers.pop(name):
            server.close()

    async def connect(self, front: Front, source: str = NODE) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = self._client(source, socket.SOCK_STREAM)
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().sock_connect(sock, (front.address, front.port))
        return await asyncio.open_connection(sock=sock)

    async def ask(self, front: Front = VIP, source: str = NODE) -> tuple[str, str]:
        """(who answered, whom it saw); raises OSError."""
        reader, writer = await self.connect(front, source)
        async with asyncio.timeout(5):
            line = (await reader.readline()).decode().split()
        writer.close()
        if not line:
            raise ConnectionResetError("no answer")
        return line[0], line[1]

    async def answers(self, count: int, front: Front = VIP, source: str = NODE) -> Counter[str]:
        return Counter([(await self.ask(front, source))[0] for _ in range(count)])

    def udp(self, front: Front = UDP_VIP, source: str = NODE) -> socket.socket:
        sock = self._client(source, socket.SOCK_DGRAM)
        sock.connect((front.address, front.port))
        return sock

    def _client(self, source: str, kind: socket.SocketKind) -> socket.socket:
        sock = socket_inside(self._netns[source], socket.AF_INET, kind) if source else socket.socket(type=kind)
        sock.setblocking(False)
        return sock

    def _socket(self, name: str, kind: socket.SocketKind, ip: str) -> socket.socket:
        sock = socket_inside(self._netns[name], socket.AF_INET, kind)
        sock.bind((ip, PORT))
        sock.setblocking(False)
        return sock


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(self.name.encode(), addr)


async def heard(sock: socket.socket) -> str:
    """Send a datagram, return the name of who answers."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"hello")
    return (await asyncio.wait_for(loop.sock_recv(sock, 100), 5)).decode()


async def eventually_heard(sock: socket.socket, name: str) -> None:
    """Datagrams may be lost while rules change: ask until `name` answers."""
    async with asyncio.timeout(5):
        while True:
            try:
                if await asyncio.wait_for(heard(sock), 0.2) == name:
                    return
            except OSError:  # TimeoutError and refusals
                continue


Scenario = Callable[[World], Awaitable[None]]


class ProxySuite:
    mode: ClassVar[str]

    def run(self, scenario: Scenario) -> None:
        async def with_a_mode() -> None:
            async with Supervisor() as tasks:
                mode = find_mode(self.mode)(ModeConfig(SystemEnv(), tasks, SERVICES, NODE_IP))
                await mode.start({})
                world = World()
                world.mode = mode
                await scenario(world)
                await mode.stop()

        on_a_node(with_a_mode)

    def test_connections_are_spread_over_all_endpoints(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = [await world.pod(name) for name in "abc"]
            await world.mode.apply(Change({VIP: Rule(tuple(endpoints))}))
            assert set(await world.answers(60)) == {"a", "b", "c"}
            client = await world.pod("client")
            assert client
            assert set(await world.answers(60, source="client")) == {"a", "b", "c"}

        self.run(scenario)

    def test_a_pod_reaches_itself_through_its_service(self) -> None:
        async def scenario(world: World) -> None:
            await world.mode.apply(Change({VIP: Rule((await world.pod("a"),))}))
            who, seen = await world.ask(source="a")
            assert (who, seen) == ("a", NODE_IP)

        self.run(scenario)

    def test_a_client_with_affinity_stays_with_its_endpoint(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = [await world.pod(name) for name in "abcd"]
            await world.mode.apply(Change({VIP: Rule(tuple(endpoints), affinity=10)}))
            for source in ("a", "b", "c", "d", NODE):
                assert len(await world.answers(20, source=source)) == 1

        self.run(scenario)

    def test_a_client_with_affinity_stays_also_when_other_endpoints_come_and_go(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = {name: await world.pod(name) for name in "abcde"}
            await world.mode.apply(Change({VIP: Rule(tuple(endpoints[name] for name in "abc"), affinity=10)}))
            (first, _) = await world.ask()
            for others in ("abcde", "de", "", "abc"):
                names = sorted({first, *others})
                await world.mode.apply(Change({VIP: Rule(tuple(endpoints[name] for name in names), affinity=10)}))
                assert await world.answers(10) == {first: 10}

        self.run(scenario)

    def test_affinity_ends_when_the_client_was_away_for_its_time(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = tuple([await world.pod(name) for name in "abcd"])
            await world.mode.apply(Change({VIP: Rule(endpoints, affinity=1)}))
            began, seen = time.monotonic(), set[str]()
            while len(seen) < 2:
                seen |= set(await world.answers(3))
                assert time.monotonic() - began < 20
                await asyncio.sleep(1.05)

        self.run(scenario)

    def test_affinity_moves_when_the_endpoint_leaves(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = {name: await world.pod(name) for name in "ab"}
            await world.mode.apply(Change({VIP: Rule(tuple(endpoints.values()), affinity=10)}))
            (first, _) = await world.ask()
            other = "b" if first == "a" else "a"
            await world.mode.apply(Change({VIP: Rule((endpoints[other],), affinity=10)}))
            assert await world.answers(5) == {other: 5}

        self.run(scenario)

    def test_a_node_port_is_reached_from_the_node_and_from_pods(self) -> None:
        async def scenario(world: World) -> None:
            await world.mode.apply(Change({NODE_PORT: Rule((await world.pod("a"),))}))
            await world.pod("client")
            assert (await world.ask(NODE_PORT))[0] == "a"
            assert (await world.ask(NODE_PORT, "client"))[0] == "a"
            assert (await world.ask(NODE_PORT, "a"))[0] == "a"

        self.run(scenario)

    def test_an_external_address_is_served_from_pods_and_refused_once_gone(self) -> None:
        async def scenario(world: World) -> None:
            await world.mode.apply(Change({EXTERNAL: Rule((await world.pod("a"),))}))
            await world.pod("client")
            assert (await world.ask(EXTERNAL, "client"))[0] == "a"
            await world.mode.apply(Change({EXTERNAL: Rule()}))
            with pytest.raises(OSError):
                await world.ask(EXTERNAL, "client")

        self.run(scenario)

    def test_a_service_without_endpoints_refuses_at_once(self) -> None:
        async def scenario(world: World) -> None:
            await world.pod("client")
            await world.mode.apply(Change({VIP: Rule(), NODE_PORT: Rule(), UDP_VIP: Rule()}))
            for source in (NODE, "client"):
                for front in (VIP, NODE_PORT):
                    with pytest.raises(ConnectionRefusedError):
                        await world.ask(front, source)
                # A rejected datagram of the node itself is "not permitted" to its sender, by the kernel.
                with pytest.raises((ConnectionRefusedError, PermissionError)):
                    await heard(world.udp(source=source))

        self.run(scenario)

    def test_what_no_service_claims_is_refused_at_once(self) -> None:
        async def scenario(world: World) -> None:
            endpoint = await world.pod("a")
            await world.mode.apply(Change({VIP: Rule((endpoint,))}))
            for front in (Front("10.96.7.7", 80, "TCP"), Front(VIP.address, 81, "TCP")):
                for source in (NODE, "a"):
                    with pytest.raises(ConnectionRefusedError):
                        await world.ask(front, source)

        self.run(scenario)

    def test_new_endpoints_are_used_and_old_ones_no_more(self) -> None:
        async def scenario(world: World) -> None:
            a, b, c = [await world.pod(name) for name in "abc"]
            await world.mode.apply(Change({VIP: Rule((a, b))}))
            assert set(await world.answers(30)) == {"a", "b"}
            await world.mode.apply(Change({VIP: Rule((c,))}))
            assert set(await world.answers(10)) == {"c"}
            await world.mode.apply(Change({VIP: Rule()}))
            with pytest.raises(ConnectionRefusedError):
                await world.ask()
            await world.mode.apply(Change({VIP: Rule((a, b, c))}))
            assert set(await world.answers(60)) == {"a", "b", "c"}
            await world.mode.apply(Change({}, (VIP,)))
            with pytest.raises(ConnectionRefusedError):
                await world.ask()

        self.run(scenario)

    def test_an_open_connection_outlives_its_endpoints_removal(self) -> None:
        async def scenario(world: World) -> None:
            a, b = [await world.pod(name) for name in "ab"]
            await world.mode.apply(Change({VIP: Rule((a,))}))
            reader, writer = await world.connect(VIP, "b")
            assert (await reader.readline()).startswith(b"a ")
            await world.mode.apply(Change({VIP: Rule((b,))}))
            writer.write(b"still there?\n")
            assert await asyncio.wait_for(reader.readline(), 5) == b"a heard still there?\n"
            writer.close()

        self.run(scenario)

    def test_udp_is_balanced_and_answered_by_whom_was_asked(self) -> None:
        async def scenario(world: World) -> None:
            endpoints = [await world.pod(name) for name in "abc"]
            await world.mode.apply(Change({UDP_VIP: Rule(tuple(endpoints))}))
            for source in (NODE, "a"):
                assert {await heard(world.udp(source=source)) for _ in range(60)} == {"a", "b", "c"}

        self.run(scenario)

    def test_a_udp_client_that_keeps_its_port_moves_when_its_endpoint_leaves(self) -> None:
        async def scenario(world: World) -> None:
            a, b = [await world.pod(name) for name in "ab"]
            await world.mode.apply(Change({UDP_VIP: Rule((a,))}))
            for source in (NODE, "b"):
                client = world.udp(source=source)
                await world.mode.apply(Change({UDP_VIP: Rule((a,))}))
                assert await heard(client) == "a"
                await world.mode.apply(Change({UDP_VIP: Rule((b,))}))
                await eventually_heard(client, "b")

        self.run(scenario)

    def test_a_udp_client_that_came_too_early_is_served_once_there_is_an_endpoint(self) -> None:
        async def scenario(world: World) -> None:
            a = await world.pod("a")
            await world.mode.apply(Change({UDP_VIP: Rule()}))
            client = world.udp(source="a")
            with pytest.raises(ConnectionRefusedError):
                await heard(client)
            await world.mode.apply(Change({UDP_VIP: Rule((a,))}))
            await eventually_heard(client, "a")

        self.run(scenario)

    def test_starting_again_brings_exactly_the_given_rules(self) -> None:
        async def scenario(world: World) -> None:
            a, b = [await world.pod(name) for name in "ab"]
            await world.mode.apply(Change({VIP: Rule((a,)), NODE_PORT: Rule((a,))}))
            await world.mode.start({VIP: Rule((b,))})
            assert await world.answers(5) == {"b": 5}
            with pytest.raises(ConnectionRefusedError):
                await world.ask(NODE_PORT)
            await world.mode.apply(Change({VIP: Rule((a, b))}))
            assert set(await world.answers(40)) == {"a", "b"}

        self.run(scenario)

    def test_after_stop_nothing_answers(self) -> None:
        async def scenario(world: World) -> None:
            await world.mode.apply(Change({VIP: Rule((await world.pod("a"),)), EXTERNAL: Rule((("10.244.0.9", 1),))}))
            await world.mode.stop()
            with pytest.raises(ConnectionRefusedError):
                await world.ask()
            with pytest.raises(OSError):
                await world.ask(EXTERNAL)

        self.run(scenario)
