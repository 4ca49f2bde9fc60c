"""HTTP as it may come: pipelined, chunked, too large, broken, slow."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from podling.apiserver.backend import Endpoint
from podling.apiserver.message import Connection, Request, Upgrade
from podling.apiserver.server import ApiServer
from podling.env import SystemEnv
from podling.storage.memory import MemoryStorage
from tests.apiserver.serving import DEFAULT, serving

GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


async def answers(reader: asyncio.StreamReader, count: int) -> list[tuple[int, bytes]]:
    """(status, body) of so many answers with a length."""
    found = []
    async with asyncio.timeout(5):
        for _ in range(count):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(next(line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")))
            found.append((int(head.split()[1]), await reader.readexactly(length)))
    return found


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        body = b'{"metadata":{"name":"one"}}'
        post = f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        read = f"GET {DEFAULT}/configmaps/one HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        writer.write(GET + post + read + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        assert [status for status, _ in await answers(reader, 5)] == [200, 201, 200, 404, 200]
        writer.close()


async def test_a_long_pipeline_is_answered_whole() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        body = b'{"metadata":{"generateName":"m"}}'
        post = f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        writer.write((post + GET) * 40)
        assert [status for status, _ in await answers(reader, 80)] == [201, 200] * 40
        writer.close()


async def test_a_chunked_body_is_put_together() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for piece in (b'{"metadata":', b'{"name":', b'"one"}}'):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert (await answers(reader, 1))[0][0] == 201
        writer.close()


async def test_a_body_over_three_mebibytes_is_refused_before_it_is_read() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n".encode())
        status, body = (await answers(reader, 1))[0]
        assert status == 413 and b"Request entity too large: limit is 3145728" in body
        assert await reader.read() == b""


async def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"%x\r\n%b\r\n" % (65536, b"x" * 65536)
        for _ in range(50):
            writer.write(piece)
        assert (await answers(reader, 1))[0][0] == 413
        writer.close()


async def test_endless_headers_are_refused() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(
            b"GET /version HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %b\r\n" % (i, b"y" * 1000) for i in range(80))
        )
        status, body = (await answers(reader, 1))[0]
        assert status == 400 and b"headers are too large" in body
        writer.close()


async def test_what_is_not_http_is_a_bad_request() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(b"HELO there\r\n\r\n")
        assert (await answers(reader, 1))[0][0] == 400
        assert await reader.read() == b""


async def test_requests_that_differ_only_a_little_are_told_apart() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        for request, status in (
            (GET, 200),
            (GET, 200),
            (GET.replace(b"/version", b"/nowhere"), 404),
            (GET.replace(b"Host: x", b"Host: y"), 200),
            (GET + GET, 200),
            (GET.replace(b"GET", b"PUT"), 405),
            (GET.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: x", b"Connection: keep-alive"), 200),
        ):
            writer.write(request)
            for found, _ in await answers(reader, request.count(b"/version") or 1):
                assert found == status
        writer.write(GET[:30])
        await writer.drain()
        assert (await api.get("/version")).status_code == 200  # on another connection: by now the first piece was read
        writer.write(GET[30:])
        assert (await answers(reader, 1))[0][0] == 200
        writer.close()


async def test_a_client_may_close_after_one_answer() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b"Connection: close" in head and b"v1.37.1" in body
        writer.close()


async def test_head_has_the_length_and_no_body() -> None:
    async with serving() as api:
        answer = await api.http.head("/version")
        assert answer.status_code == 200 and int(answer.headers["content-length"]) > 0 and answer.content == b""


async def test_a_slow_reader_holds_up_only_itself() -> None:
    async with serving() as api:
        for i in range(30):
            await api.make(f"{DEFAULT}/configmaps", {"metadata": {"name": f"m{i}"}, "data": {"x": "y" * 900_000}})
        reader, writer = await api.raw()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"GET {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await api.get("/version")).status_code == 200
        connections = api.server._connections
        backlog = max(connection._writer.backlog for connection in connections)
        assert backlog < 8_000_000  # of 27 MB
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            received = 0
            while received < 27_000_000:
                received += len(await reader.read(1 << 20))
        writer.close()


async def echo(connection: Connection) -> None:
    while data := await connection.read():
        await connection.write(data.upper())


async def test_an_upgraded_connection_is_raw_from_its_first_byte() -> None:
    def upgrade(backend: object, request: Request) -> Upgrade:
        return Upgrade(echo, [("Upgrade", "echo/1")])

    streams: dict[tuple[str, str], Endpoint] = {("pods", "exec"): upgrade}
    async with serving() as first:
        config, storage = first.server.config, first.server.backend.storage
        server = ApiServer(config, storage, first.server.env, first.server.backend.dialer, streams=streams)
        await server.start()
        try:
            host, port = server.addresses[0]
            reader, writer = await asyncio.open_connection(host, port, ssl=first.context(first.admin()))
            head = f"GET {DEFAULT}/pods/p/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"
            writer.write(head.encode() + b"early ")
            async with asyncio.timeout(5):
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 101 ") and b"Upgrade: echo/1" in answer
                assert await reader.readexactly(6) == b"EARLY "
                writer.write(b"late")
                assert await reader.readexactly(4) == b"LATE"
            writer.close()
        finally:
            await server.stop()


async def test_a_refused_upgrade_closes_the_connection() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
        writer.close()


async def test_a_write_whose_client_left_is_finished_and_keeps_its_claims() -> None:
    async with serving() as api:
        _, writer = await api.raw()
        body = b'{"metadata":{"name":"s"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":30080}]}}'
        head = f"POST {DEFAULT}/services HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.transport.abort()
        cache = api.server.backend.cache
        async with asyncio.timeout(5):
            async with cache.watch("core/services/", since=1) as events:
                seen: set[str] = set()
                while "s" not in seen:
                    seen |= {event.object.head.name for event in await anext(events)}
        assert cache.get("internal/nodeports/30080") is not None


async def test_a_taken_port_fails_the_start_and_leaves_nothing_behind() -> None:
    async with serving() as api:
        taken = api.server.addresses[0]
        config = dataclasses.replace(api.server.config, tcp=(taken,))
        other = ApiServer(config, MemoryStorage(), SystemEnv(), api.server.backend.dialer)
        with pytest.raises(OSError, match="address already in use"):
            await other.start()
        assert not other.addresses
