"""A bounded load on an API server over TLS and HTTP/1.1, with little code between the socket and the clock.

Each connection is a closed loop: send, read the whole answer, send again. What counts is the server's CPU, which is
read from /proc by the caller; the load's own cost does not matter.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster as a kubeconfig describes it."""

    host: str
    port: int
    tls: ssl.SSLContext
    token: str = ""

    @classmethod
    def load(cls, kubeconfig: Path, context: str = "") -> Target:
        config = yaml.safe_load(kubeconfig.read_text())
        chosen = _named(config["contexts"], context or config["current-context"])["context"]
        cluster = _named(config["clusters"], chosen["cluster"])["cluster"]
        user = _named(config["users"], chosen["user"])["user"]
        url = urlsplit(cluster["server"])
        tls = ssl.create_default_context(cadata=_data(cluster, "certificate-authority").decode())
        if "client-certificate-data" in user or "client-certificate" in user:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(_data(user, "client-certificate") + b"\n" + _data(user, "client-key"))
                pem.flush()
                tls.load_cert_chain(pem.name)
        return cls(url.hostname or "", url.port or 443, tls, user.get("token", ""))


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _data(section: dict[str, Any], name: str) -> bytes:
    if encoded := section.get(f"{name}-data"):
        return base64.b64decode(encoded)
    return Path(section[name]).read_bytes()


class Connection:
    """One kept-alive connection; `request` answers (status, body)."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target, self._reader, self._writer = target, reader, writer

    @classmethod
    async def open(cls, target: Target) -> Connection:
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls, limit=1 << 22)
        return cls(target, reader, writer)

    async def request(
        self, verb: str, path: str, body: bytes = b"", content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        await self.send(verb, path, body, content_type)
        status, length = await self.head()
        if length is not None:
            return status, await self._reader.readexactly(length)
        return status, b"".join([piece async for piece in self.chunks()])

    async def send(self, verb: str, path: str, body: bytes = b"", content_type: str = "application/json") -> None:
        token = f"Authorization: Bearer {self._target.token}\r\n" if self._target.token else ""
        head = f"{verb} {path} HTTP/1.1\r\nHost: {self._target.host}\r\nAccept: application/json\r\n{token}"
        if body:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        await self._writer.drain()

    async def head(self) -> tuple[int, int | None]:
        """Status and Content-Length (None: chunked)."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        length = None
        for line in lines[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        return int(lines[0].split()[1]), length

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces of a chunked answer."""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def opened(target: Target, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections, with their handshakes behind them."""
    made = [await Connection.open(target) for _ in range(count)]
    try:
        yield made
    finally:
        for connection in made:
            connection.close()


async def closed_loop(connections: list[Connection], operations: int, one: Callable[[Connection, int], Any]) -> None:
    """`operations` calls of `one(connection, number)`, shared by the connections."""
    numbers = iter(range(operations))

    async def work(connection: Connection) -> None:
        for number in numbers:
            await one(connection, number)

    await asyncio.gather(*map(work, connections))
