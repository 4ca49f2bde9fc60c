"""The DNS sockets, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.dns.resolver import Resolver
from podling.dns.server import Server
from podling.wire import dns

MANY = "many.default.svc.cluster.local"


def zone() -> Resolver:
    resolver = Resolver("cluster.local", "10.96.0.10")
    endpoints = [{"addresses": [f"10.244.0.{n}"], "conditions": {"ready": True}} for n in range(2, 102)]
    slices = msgspec.convert({"addressType": "IPv4", "endpoints": endpoints, "ports": []}, EndpointSlice)
    headless = {"metadata": {"name": "many", "namespace": "default"}, "spec": {"clusterIP": "None"}}
    resolver.update(("default", "many"), msgspec.convert(headless, Service), [slices])
    web = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"clusterIP": "10.96.0.9"}}
    resolver.update(("default", "web"), msgspec.convert(web, Service))
    return resolver


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = Server(zone())
    yield await server.start("127.0.0.1", 0)
    server.close()


def client(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.connect(("127.0.0.1", port))
    return sock


async def asked(sock: socket.socket, data: bytes) -> dns.Message:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, data)
    return dns.parse_message(await asyncio.wait_for(loop.sock_recv(sock, 65_535), 5))


async def test_datagrams_are_answered_each_with_its_id(port: int) -> None:
    with client(port) as sock:
        loop = asyncio.get_running_loop()
        for number in range(200):
            await loop.sock_sendall(sock, dns.pack_query("dns-version.cluster.local", dns.TXT, number))
            if number % 50 == 49:
                await asyncio.sleep(0)
        ids = {dns.parse_message(await asyncio.wait_for(loop.sock_recv(sock, 4096), 5)).id for _ in range(200)}
        assert ids == set(range(200))


@pytest.mark.parametrize("name", ["web.default.svc.cluster.local", "WEB.Default.svc.cluster.LOCAL", MANY, "x.y"])
@pytest.mark.parametrize("type_", [dns.A, dns.AAAA, dns.SRV, 65], ids=["A", "AAAA", "SRV", "HTTPS"])
def test_the_short_way_to_an_answer_gives_the_answer_of_the_long_way(name: str, type_: int) -> None:
    resolver = zone()
    server, query = Server(resolver), dns.pack_query(name, type_, 9)
    parsed = dns.parse_query(query)
    assert server.reply(query) == dns.pack_answer(parsed, resolver.answer(parsed), turn=1)


async def test_noise_gets_no_answer_and_does_no_harm(port: int) -> None:
    with client(port) as sock:
        loop = asyncio.get_running_loop()
        for noise in (b"", b"x", bytes(11), b"\0\1\x80\0" + bytes(8)):
            await loop.sock_sendall(sock, noise)
        answer = await asked(sock, dns.pack_query("dns-version.cluster.local", dns.TXT, 77))
        assert answer.id == 77


async def test_a_truncated_answer_comes_whole_by_tcp(port: int) -> None:
    query = dns.pack_query(MANY, dns.A, 5)
    with client(port) as sock:
        answer = await asked(sock, query)
    assert (answer.truncated, answer.answers) == (True, ())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    message = len(query).to_bytes(2, "big") + query
    for piece in (message[:1], message[1:20], message[20:] + message):
        writer.write(piece)
        await writer.drain()
    for _ in range(2):
        length = int.from_bytes(await reader.readexactly(2), "big")
        whole = dns.parse_message(await reader.readexactly(length))
        assert len(whole.answers) == 100
    writer.close()


async def test_a_stream_of_nonsense_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\0\3abc")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
