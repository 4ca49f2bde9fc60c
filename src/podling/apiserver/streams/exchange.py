"""One HTTP/1.1 request over a connection that a node passed, and its answer piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

import httptools

CHUNK = 64 << 10


class BrokenAnswer(Exception):
    """The server at the other end stopped in the middle, or does not speak HTTP."""


class Exchange:
    """Made by `open`; `head` first, then `body` or, after 101, `read` and `write` (the verbs of a Connection)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, bodiless: bool) -> None:
        """`bodiless`: the answer to a HEAD, whatever its headers say."""
        self._reader, self._writer = reader, writer
        self._bodiless = bodiless
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._complete = False
        self._headed = False
        self._rest = b""
        self.status = 0
        self.headers: list[tuple[str, str]] = []

    @classmethod
    async def open(cls, sock: socket.socket, request: bytes, *, tls: bool, bodiless: bool) -> Exchange:
        """Send a whole request; owns `sock`. The other end's certificate is not looked at, as upstream's proxy."""
        context = None
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname="" if tls else None)
        except BaseException:
            sock.close()
            raise
        exchange = cls(reader, writer, bodiless=bodiless)
        writer.write(request)
        return exchange

    async def head(self) -> int:
        """Wait for status and headers. Raises BrokenAnswer."""
        while not self._headed:
            await self._more()
        return self.status

    async def body(self) -> AsyncIterator[bytes]:
        """Raises BrokenAnswer where the body ends too early."""
        while True:
            while self._pieces:
                yield self._pieces.pop(0)
            if self._complete or self._bodiless:
                return
            await self._more()

    async def read(self) -> bytes:
        """After 101: what has arrived; b"" at the end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        try:
            return await self._reader.read(CHUNK)
        except (ConnectionError, ssl.SSLError):
            return b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        with contextlib.suppress(OSError, NotImplementedError):
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def header(self, name: str) -> str:
        """The first value, by lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    async def _more(self) -> None:
        try:
            data = await self._reader.read(CHUNK)
            if data:
                self._parser.feed_data(data)
                return
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
            return
        except (httptools.HttpParserError, OSError) as error:
            raise BrokenAnswer(str(error)) from error
        # The end of the connection ends a body that said no length.
        if self._headed and not self.header("content-length") and not self.header("transfer-encoding"):
            self._complete = True
            return
        raise BrokenAnswer("EOF")

    # The parser's events.

    def on_message_begin(self) -> None:
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        # 100 Continue and its like come before the answer.
        self._headed = self.status >= 200 or self.status == 101

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._complete = self._headed


def request_bytes(method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1", "replace") + body
