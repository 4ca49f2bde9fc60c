"""Published ports, with listeners as the keeper would pass them, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection

import pytest

from podling.env import SystemEnv
from podling.network.apirelay import listener
from podling.network.publish import Published, Publisher
from podling.network.relay import Fixed, Target
from podling.network.udprelay import UdpRelay
from podling.supervise import Supervisor


class Host:
    """Listeners made right here, and held as the keeper holds them."""

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


class InTurn:
    def __init__(self, *targets: Target) -> None:
        self.targets = targets

    def pick(self, client: str, tried: Collection[Target]) -> Target | None:
        return next((target for target in self.targets if target not in tried), None)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Shouting(asyncio.DatagramProtocol):
    """A UDP server that answers in capitals, and with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(self.name.encode() + b" " + data.upper(), addr)


async def shouting(name: str) -> tuple[asyncio.DatagramTransport, Target]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Shouting(name), local_addr=("127.0.0.1", 0)
    )
    return transport, transport.get_extra_info("sockname")


async def asked(sock: socket.socket, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, data)
    return await asyncio.wait_for(loop.sock_recv(sock, 100), 5)


def udp_client(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.connect(("127.0.0.1", port))
    return sock


async def test_ports_follow_what_is_wanted() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    target: Target = server.sockets[0].getsockname()
    port = Published("127.0.0.1", free_port(), "TCP")
    async with Supervisor() as tasks:
        publisher = Publisher(Host(), tasks, SystemEnv())
        assert await publisher.reconcile({port: Fixed(target)}) == {}
        reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
        assert await reader.read() == b"hello"
        writer.close()
        await publisher.reconcile({})
        assert publisher.published == frozenset()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port.port)


async def test_a_port_that_is_taken_is_reported_and_the_others_are_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_port = Published("127.0.0.1", taken.getsockname()[1], "TCP")
        free = Published("127.0.0.1", free_port(), "TCP")
        async with Supervisor() as tasks:
            publisher = Publisher(Host(), tasks, SystemEnv())
            failed = await publisher.reconcile({taken_port: Fixed("/x"), free: Fixed("/x")})
            assert list(failed) == [taken_port]
            assert publisher.published == {free}
            publisher.close()


async def test_udp_answers_find_their_client_and_a_client_stays_with_its_target() -> None:
    one, target_1 = await shouting("one")
    two, target_2 = await shouting("two")
    port = Published("127.0.0.1", free_port(socket.SOCK_DGRAM), "UDP")
    async with Supervisor() as tasks:
        publisher = Publisher(Host(), tasks, SystemEnv())
        await publisher.reconcile({port: InTurn(target_1, target_2)})
        with udp_client(port.port) as first, udp_client(port.port) as second:
            assert await asked(first, b"a") == b"one A"
            await publisher.reconcile({port: InTurn(target_2, target_1)})
            assert await asked(second, b"b") == b"two B"
            assert await asked(first, b"c") == b"one C"
        publisher.close()
    one.close()
    two.close()


async def test_a_udp_target_that_refuses_is_replaced() -> None:
    transport, target = await shouting("two")
    listening = listener("127.0.0.1", 0, socket.SOCK_DGRAM)
    port = listening.getsockname()[1]
    relay = UdpRelay(InTurn(("127.0.0.1", free_port(socket.SOCK_DGRAM)), target), listening, SystemEnv())
    with udp_client(port) as client:
        assert await asked(client, b"a") == b"two A"
    relay.close()
    transport.close()


async def test_clients_of_a_forgotten_udp_target_get_another() -> None:
    one, target_1 = await shouting("one")
    two, target_2 = await shouting("two")
    listening = listener("127.0.0.1", 0, socket.SOCK_DGRAM)
    port = listening.getsockname()[1]
    relay = UdpRelay(InTurn(target_1, target_2), listening, SystemEnv())
    with udp_client(port) as client:
        assert await asked(client, b"a") == b"one A"
        relay.balancer = InTurn(target_2)
        relay.forget(frozenset({target_1}))
        assert await asked(client, b"b") == b"two B"
    relay.close()
    one.close()
    two.close()


async def test_the_next_process_finds_the_listeners_and_closes_those_nobody_wants() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    target: Target = server.sockets[0].getsockname()
    host = Host()
    kept, left = (Published("127.0.0.1", free_port(), "TCP") for _ in range(2))
    async with Supervisor() as tasks:
        first = Publisher(host, tasks, SystemEnv())
        await first.reconcile({kept: Fixed(target), left: Fixed(target)})
        first.close()
        waiting = await asyncio.open_connection("127.0.0.1", kept.port)
        assert await Publisher(host, tasks, SystemEnv()).reconcile({kept: Fixed(target)}) == {}
        assert await waiting[0].read() == b"hello"
        waiting[1].close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", left.port)


async def test_a_query_is_forgotten_after_seconds_and_a_talk_after_a_minute() -> None:
    class Clock(SystemEnv):
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    transport, target = await shouting("one")
    listening, clock = listener("127.0.0.1", 0, socket.SOCK_DGRAM), Clock()
    relay = UdpRelay(InTurn(target), listening, clock)
    with udp_client(listening.getsockname()[1]) as query, udp_client(listening.getsockname()[1]) as talk:
        await asked(query, b"a")
        for _ in range(6):
            await asked(talk, b"a")
        clock.seconds = 3
        relay._forget_silent()
        assert list(relay._conversations) == [talk.getsockname()]
        clock.seconds = 61
        relay._forget_silent()
        assert not relay._conversations
        assert await asked(query, b"b") == b"one B"
    relay.close()
    transport.close()


async def test_many_clients_take_a_bounded_number_of_descriptors() -> None:
    transport, target = await shouting("one")
    listening = listener("127.0.0.1", 0, socket.SOCK_DGRAM)
    port = listening.getsockname()[1]
    relay = UdpRelay(InTurn(target), listening, SystemEnv())
    for _ in range(600):
        with udp_client(port) as client:
            assert await asked(client, b"a") == b"one A"
    assert len(relay._conversations) == 512
    relay.close()
    transport.close()
