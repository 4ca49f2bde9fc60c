"""One HTTP/1.1 connection of a client, and a pool of them.

TCP or a Unix socket, TLS always; httptools parses, asyncio's streams carry. A connection serves one exchange at a
time and returns to the pool when its answer has been read to the end. A kept connection that the server closed
meanwhile is usually noticed before it is used; when it is noticed only after the request was sent, a read is repeated
on a new connection and a write is a lost answer: nobody knows whether the server had carried it out.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import httptools
import msgspec

from podling.api.errors import ServiceUnavailable
from podling.unixpath import short_path

CHUNK = 256 * 1024
AT_ONCE = 8
"""Whole exchanges under way on one pool; watches do not count."""


class Address(msgspec.Struct, frozen=True):
    """Where the server listens: `host` and `port`, or the `path` of a Unix socket (then host and port are unused)."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class ResponseHead(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    """Names in lower case; of repeated headers all values, joined by a newline."""


class Stale(Exception):
    """A kept connection was closed by the server before a byte of the answer."""


class _Parsed:
    """What httptools calls back: collected, never decided here."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: deque[bytes] = deque()
        self.head_complete = False
        self.complete = False
        self.keep_alive = False
        self.parser: Any = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}\n{text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True
        # Only here: behind the message the parser has forgotten how it was framed and says no.
        self.keep_alive = self.parser.should_keep_alive()


class Connection:
    """One socket. `send`, then `head`, then `body` to its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parsed = _Parsed()
        self.fresh = True

    @property
    def reusable(self) -> bool:
        return self._parsed.complete and self._parsed.keep_alive and not self._reader.at_eof()

    async def send(self, request: bytes) -> None:
        # The parser and what it calls know each other: cut, or only the garbage collector would find them.
        self._parsed.parser = None
        self._parsed = _Parsed()
        try:
            self._writer.write(request)
            await self._writer.drain()
        except OSError as error:
            raise self._lost(error) from error

    async def head(self) -> ResponseHead:
        """Raises Stale on a kept connection that is gone, ServiceUnavailable on a new one."""
        received = False
        while not self._parsed.head_complete:
            data = await self._receive()
            if not data and not received:
                raise self._lost(None)
            if not data:
                raise ServiceUnavailable("the connection was closed in the middle of an answer")
            received = True
            self._feed(data)
        self.fresh = False
        return ResponseHead(self._parsed.parser.get_status_code(), self._parsed.headers)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The pieces of the body as they arrive; ends with the message."""
        while True:
            while self._parsed.body:
                yield self._parsed.body.popleft()
            if self._parsed.complete:
                return
            try:
                data = await self._receive()
            except Stale as error:
                raise ServiceUnavailable("the connection was lost in the middle of an answer") from error
            if not data and self._endless:
                return
            if not data:
                raise ServiceUnavailable("the connection was closed in the middle of an answer")
            self._feed(data)

    @property
    def _endless(self) -> bool:
        """Whether the end of the connection ends the body, as HTTP/1.0 has it."""
        headers = self._parsed.headers
        return "content-length" not in headers and "transfer-encoding" not in headers

    def close(self) -> None:
        self._writer.transport.abort()

    async def _receive(self) -> bytes:
        try:
            return await self._reader.read(CHUNK)
        except OSError as error:
            raise self._lost(error) from error

    def _feed(self, data: bytes) -> None:
        try:
            self._parsed.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ServiceUnavailable(f"the server does not speak HTTP/1.1: {error}") from error

    def _lost(self, error: OSError | None) -> Exception:
        if self.fresh:
            return ServiceUnavailable(f"the connection was lost: {error or 'closed by the server'}")
        return Stale()


class Pool:
    """Connections to one address; at most `keep` idle ones are kept."""

    def __init__(
        self, address: Address, tls: ssl.SSLContext, server_name: str, *, keep: int = 16, connect_timeout: float = 10
    ) -> None:
        self._address, self._tls, self._server_name = address, tls, server_name
        self._idle: list[Connection] = []
        self._keep, self._connect_timeout = keep, connect_timeout
        self._fetching = asyncio.Semaphore(AT_ONCE)

    async def exchange(self, request: bytes) -> tuple[Connection, ResponseHead]:
        """Send and wait for the head; the caller reads the body and gives the connection back. GETs are repeated."""
        while True:
            connection = self._take() or await self._connect()
            try:
                await connection.send(request)
                return connection, await connection.head()
            except Stale:
                connection.close()
                if not request.startswith(b"GET "):
                    raise ServiceUnavailable("the connection was lost before the answer") from None
            except BaseException:
                connection.close()
                raise

    def give_back(self, connection: Connection) -> None:
        if connection.reusable and len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()

    async def fetch(self, request: bytes) -> tuple[ResponseHead, bytes]:
        """One whole exchange. More than AT_ONCE wait for each other: a handshake costs more than a short wait."""
        async with self._fetching:
            connection, head = await self.exchange(request)
            try:
                async with aclosing(connection.body()) as pieces:
                    body = b"".join([piece async for piece in pieces])
            except BaseException:
                connection.close()
                raise
            self.give_back(connection)
            return head, body

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                if self._address.path:
                    with short_path(self._address.path) as path:
                        streams = await asyncio.open_unix_connection(
                            path, ssl=self._tls, server_hostname=self._server_name, limit=CHUNK
                        )
                else:
                    streams = await asyncio.open_connection(
                        self._address.host,
                        self._address.port,
                        ssl=self._tls,
                        server_hostname=self._server_name,
                        limit=CHUNK,
                    )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise ServiceUnavailable(f"cannot reach the API at {self._address}: {error or 'timed out'}") from error
        return Connection(*streams)


def request_bytes(verb: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    lines = [f"{verb} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body or verb in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
