"""Bytes as they should not come, on real connections: the edge answers with 4xx or closes, and goes on serving."""

from __future__ import annotations

import asyncio
import re
from random import Random

import pytest

from tests.apiserver.serving import DEFAULT, Api, serving

BODY = b'{"metadata":{"name":"one"},"data":{"key":"value"}}'
GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
CHUNKED = (
    f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
)
UPGRADE = b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrest"
GOOD = (GET, POST, CHUNKED, UPGRADE, GET + POST, GET * 3)
PIECES = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff\xfe", b"HTTP/9.9", b"HTTP/1.0", b"Content-Length: -1\r\n"),
    *(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: gzip\r\n", b"Expect: 100-continue\r\n"),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"ffffffffffffffff\r\n", b"%00", b"%zz", b"\x16\x03\x01"),
    *(b"Host: y\r\n", b" folded\r\n", b"GET http://x/version HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
)
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def spoilt(random: Random) -> bytes:
    """A good request with a few of its bytes changed, lost, doubled or mixed with others."""
    data = bytearray(random.choice(GOOD))
    for _ in range(random.randrange(1, 5)):
        at = random.randrange(len(data) + 1)
        change = random.randrange(5)
        if change == 0:
            data[at : at + random.randrange(8)] = b""
        elif change == 1:
            data[at:at] = random.choice(PIECES)
        elif change == 2:
            data[at : at + 1] = random.randbytes(1)
        elif change == 3:
            data[at:at] = data[at : at + 20]
        else:
            data[at:at] = random.randbytes(random.randrange(6))
    return bytes(data)


async def sent(api: Api, data: bytes, random: Random) -> list[int]:
    """The codes of what is answered at once, on a connection of its own, the bytes coming in two pieces."""
    reader, writer = await api.raw()
    cut = random.randrange(len(data) + 1)
    received = b""
    try:
        writer.write(data[:cut])
        await asyncio.sleep(0)
        writer.write(data[cut:])
        async with asyncio.timeout(0.02):
            while piece := await reader.read(65536):
                received += piece
    except (TimeoutError, ConnectionError):
        pass  # it waits for more, or has closed
    finally:
        writer.transport.abort()
    return [int(code) for code in ANSWER.findall(received)]


async def test_no_bytes_bring_the_edge_down() -> None:
    random = Random(20261123)
    codes: dict[int, int] = {}
    async with serving() as api:
        for _ in range(150):
            data = spoilt(random)
            for code in await sent(api, data, random):
                codes[code] = codes.get(code, 0) + 1
                assert 100 <= code < 500, (code, data)
        assert codes.get(400, 0) > 20 and codes.get(200, 0) > 20  # both ways were tried
        assert (await api.get("/version")).status_code == 200
        async with asyncio.timeout(5):
            while len(api.server._connections) > 1:
                await asyncio.sleep(0.01)


async def test_a_client_that_sends_its_headers_drop_by_drop_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podling.apiserver.http.HEADERS_SECONDS", 0.1)
    async with serving() as api:
        reader, writer = await api.raw()
        writer.write(b"GET /version HTTP/1.1\r\n")
        async with asyncio.timeout(5):
            while not reader.at_eof():
                writer.write(b"X-Drop: x\r\n")
                await asyncio.sleep(0.01)
                if reader.at_eof() or writer.transport.is_closing():
                    break
        assert await reader.read() == b""


async def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podling.apiserver.http.HEADERS_SECONDS", 0.05)
    async with serving() as api:
        reader, _ = await api.raw()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
