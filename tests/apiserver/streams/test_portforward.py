"""Port-forward: the real kubectl through the WebSocket tunnel and over plain SPDY, and WebSocket channels."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podling.wire.websocket import Close, Message
from tests.apiserver.streams.talk import talk
from tests.apiserver.streams.world import World, world

SPDY = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
ways = pytest.mark.parametrize("way", [pytest.param({}, id="websocket"), pytest.param(SPDY, id="spdy")])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say back what was said, in capitals, after the other side has ended."""
    said = await reader.read()
    writer.write(said.upper())
    writer.close()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"welcome")
    writer.close()


@asynccontextmanager
async def ports(here: World) -> AsyncIterator[None]:
    """The Pod answers on 80 (echo) and 81 (greet); nothing listens on 82."""
    async with (
        await asyncio.start_server(echo, "127.0.0.1", 0) as one,
        await asyncio.start_server(greet, "127.0.0.1", 0) as two,
    ):
        refusing = await asyncio.start_server(greet, "127.0.0.1", 0)
        numbers = [each.sockets[0].getsockname()[1] for each in (one, two, refusing)]
        refusing.close()
        await refusing.wait_closed()
        here.node.ports = dict(zip((80, 81, 82), numbers, strict=True))
        yield


@asynccontextmanager
async def forwarding(
    here: World, way: dict[str, str], *remote: int
) -> AsyncIterator[tuple[list[int], asyncio.StreamReader]]:
    """kubectl at work: the local ports, and what it says on stderr."""
    process = await here.start("port-forward", "web", *(f":{port}" for port in remote), env=way)
    assert process.stdout is not None and process.stderr is not None
    local: dict[int, int] = {}
    async with asyncio.timeout(20):
        while len(local) < len(remote):
            line = (await process.stdout.readline()).decode()
            assert line, (await process.stderr.read()).decode()
            if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
                local[int(found[2])] = int(found[1])
    try:
        yield [local[port] for port in remote], process.stderr
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def asked(port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


@ways
async def test_several_ports_and_connections_are_forwarded_at_once(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here, ports(here):
        await here.pod("web")
        async with forwarding(here, way, 80, 81) as (local, _):
            questions = [b"%d " % i * 30_000 for i in range(5)]
            answers = await asyncio.gather(*(asked(local[0], each) for each in questions), asked(local[1], b""))
        assert answers == [*(each.upper() for each in questions), b"welcome"]
        assert here.upgrades == ["SPDY/3.1" if way else "websocket"]


@ways
async def test_a_port_that_refuses_is_told_in_upstreams_words(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here, ports(here):
        made = await here.pod("web")
        async with forwarding(here, way, 82) as (local, errors):
            assert await asked(local[0], b"") == b""
            async with asyncio.timeout(10):
                said = (await errors.readline()).decode()
        uid = made["metadata"]["uid"]
        refused = f"dial tcp 127.0.0.1:{here.node.ports[82]}: connect: connection refused"
        assert f'err="error forwarding port 82 to pod web, uid {uid}: {refused}"' in said


async def test_a_client_without_spdy_uses_a_pair_of_channels_a_port(tmp_path: Path) -> None:
    async with world(tmp_path) as here, ports(here):
        await here.pod("web")
        path = "/api/v1/namespaces/default/pods/web/portforward?ports=81&ports=82"
        client = await talk(here, path, "v4.channel.k8s.io")
        heard = []
        while isinstance(event := await client.hear(), Message):
            heard.append((event.data[0], event.data[1:]))
        assert event == Close(1000, "")
        assert sorted(heard[:5])[:4] == [(0, b"Q\0"), (1, b"Q\0"), (2, b"R\0"), (3, b"R\0")]
        assert heard[-1] == (0, b"welcome")
        assert [data for channel, data in heard if channel == 3][1].endswith(b"connect: connection refused")


async def test_channels_carry_both_directions(tmp_path: Path) -> None:
    async with world(tmp_path) as here:

        async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        async with await asyncio.start_server(line, "127.0.0.1", 0) as server:
            here.node.ports = {80: server.sockets[0].getsockname()[1]}
            await here.pod("web")
            client = await talk(here, "/api/v1/namespaces/default/pods/web/portforward?ports=80", "v4.channel.k8s.io")
            await client.say(Message(b"\x00hello\n"))
            heard = [await client.hear() for _ in range(4)]
        assert heard == [Message(b"\x00P\x00"), Message(b"\x01P\x00"), Message(b"\x00HELLO\n"), Close(1000, "")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", 'query parameter "ports" is required'),
        ("?ports=x", 'query parameter "ports" is invalid: "x" is not a port'),
    ],
)
async def test_channels_need_ports(tmp_path: Path, query: str, message: str) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        offered = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
        )
        answer = await here.http(f"GET /api/v1/namespaces/default/pods/web/portforward{query} HTTP/1.1", offered)
        assert (answer.code, answer.json()["message"]) == (400, message)
