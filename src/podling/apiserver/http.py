"""HTTP/1.1 over asyncio: parser events in, bytes out, one request of a connection at a time.

An own protocol on httptools, because no ASGI server shows the client certificate or gives up a raw connection, and
because this is the hot path (DESIGN 7). What can be answered at once is answered inside `data_received`, without a
task; the rest runs as one task of the server's supervisor, cancelled when the client goes away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

import httptools

from podling.api.errors import ApiError, BadRequest, RequestEntityTooLarge
from podling.apiserver.connection import RawConnection, Writer
from podling.apiserver.knownheads import METHODS, KnownHeads
from podling.apiserver.message import JSON, PRIVATE, Outcome, Request, Response, Stream, Upgrade, User

MAX_HEADERS = 64 * 1024
MAX_BODY = 3 * 1024 * 1024
LONG_URL = 512  # longer ones are not remembered
PIPELINE = 16
READ_SIZE = 64 * 1024
IDLE_SECONDS = 120.0
HEADERS_SECONDS = 32.0

log = logging.getLogger(__name__)

_REASONS = {code.value: code.phrase for code in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {phrase}\r\n" for code, phrase in _REASONS.items()}

Begin = Callable[[Request], "Outcome | Awaitable[Outcome]"]
"""Answers at once or returns an awaitable; never raises."""
Spawn = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class HttpProtocol(asyncio.BufferedProtocol):
    """One connection.

    Buffered, because the loops' TLS would otherwise allocate and free 256 KiB for each read, which the allocator maps
    and unmaps: a third of a GET's whole cost. What is read is taken out of the buffer at once, so all connections of
    a server share one.
    """

    def __init__(
        self,
        begin: Begin,
        spawn: Spawn,
        identify: Callable[[asyncio.Transport], User | None],
        refuse: Callable[[ApiError], Response],
        connections: dict[HttpProtocol, None],
        date: Callable[[], str],
        buffer: memoryview,
    ) -> None:
        self._begin, self._spawn, self._identify, self._refuse = begin, spawn, identify, refuse
        self._connections = connections
        self._date, self._buffer = date, buffer
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._flowing = False
        self._keep_alive = True
        self._rest: bytes | None = None
        self._body: bytes | bytearray = b""
        self._task: asyncio.Task[None] | None = None
        self._raw: RawConnection | None = None
        self._closing = False
        self._between = True
        self._completed = 0
        self._known = KnownHeads()
        self._lasting = True
        self._same: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] = {}

    # the transport's events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        transport = self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(transport)
        self._parser = httptools.HttpRequestParser(self)
        self._user = self._identify(transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._connections[self] = None
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle = self._loop.call_later(HEADERS_SECONDS, self._check_idle, HEADERS_SECONDS)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.pop(self, None)
        self._timer.cancel()
        self._writer.lose()
        if self._raw is not None:
            self._raw.lose()
        # A write that is under way is finished: who cancelled it half-way would not know what has been stored.
        if self._task is not None and self._flowing:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    def eof_received(self) -> None:
        if self._raw is not None:
            self._raw.end()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw.feed(data)
            return
        if self._between and (known := self._known.read(data)) is not None:
            self._arrived(*known)
            return
        fresh, self._completed = self._between, 0
        try:
            self._parser.feed_data(data)
            if fresh and self._completed == 1 and self._between:
                self._known.learn(data, self._headers, self._lasting)
        except httptools.HttpParserUpgrade as upgrade:
            self._transport.pause_reading()
            self._rest = data[upgrade.args[0] :]
            if not self._busy:
                # Refused at once: what follows is no HTTP that we could read.
                self._transport.close()
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ if isinstance(error.__context__, ApiError) else BadRequest("bad request"))
        except httptools.HttpParserError as error:
            self._fail(BadRequest(f"the request is not HTTP/1.1: {error}"))

    # the parser's events

    def on_message_begin(self) -> None:
        self._between = False
        self._url = b""
        self._received: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._size += len(url)
        if self._size > MAX_HEADERS:
            raise _headers_too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._received.append((name, value))
        self._size += len(name) + len(value)
        if self._size > MAX_HEADERS:
            raise _headers_too_large()

    def on_headers_complete(self) -> None:
        if self._received != self._same:
            # A client sends the same headers with most of its requests: the dictionary of the last ones is kept.
            self._same, self._headers = self._received, _headers(self._received)
        headers = self._headers
        if "content-length" in headers and int(headers["content-length"]) > MAX_BODY:
            raise _too_large()
        if "expect" in headers and headers["expect"].lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
            return
        # Many small chunks: grow in place instead of copying the whole each time.
        if not isinstance(self._body, bytearray):
            self._body = bytearray(self._body)
        self._body += body
        if len(self._body) > MAX_BODY:
            raise _too_large()

    def on_message_complete(self) -> None:
        if len(self._body) > MAX_BODY:
            raise _too_large()
        self._between = True
        self._completed += 1
        method = self._parser.get_method()
        keep_alive = self._lasting = self._parser.should_keep_alive()
        self._arrived(
            METHODS.get(method) or method.decode("latin-1"), self._url, self._headers, bytes(self._body), keep_alive
        )

    def _arrived(self, method: str, url: bytes, headers: dict[str, str], body: bytes, keep_alive: bool) -> None:
        """A request is complete: answer it, or let it wait for those before it."""
        path, query, raw = _parsed(url) if len(url) < LONG_URL else _parsed.__wrapped__(url)
        request = Request(
            method, path, query, headers, body, certificate_user=self._user, peer=self._peer, raw_target=raw
        )
        if self._busy or self._closing:
            self._waiting.append((request, keep_alive))
            if len(self._waiting) >= PIPELINE:
                self._transport.pause_reading()
            return
        self._answer(request, keep_alive)

    # answering

    def _answer(self, request: Request, keep_alive: bool) -> None:
        self._busy, self._keep_alive, self._flowing = True, keep_alive, False
        outcome = self._begin(request)
        if isinstance(outcome, Response) and self._finish_at_once(request, outcome):
            self._next()
            return
        self._task = self._spawn(f"{request.method} {request.path}", self._serve(request, outcome))

    def _finish_at_once(self, request: Request, response: Response) -> bool:
        """Write a response that is one piece; False where it has to flow."""
        body = response.body
        if body.__class__ is not bytes or self._writer.paused:
            return False
        head = self._head(request, response, f"Content-Length: {len(body)}")
        assert isinstance(body, bytes)
        self._transport.write(head if request.method == "HEAD" else head + body)
        return True

    async def _serve(self, request: Request, outcome: Outcome | Awaitable[Outcome]) -> None:
        try:
            if not isinstance(outcome, (Response, Stream, Upgrade)):
                outcome = await outcome
            if self._writer.lost:
                return
            self._flowing = True
            if isinstance(outcome, Stream):
                await self._stream(request, outcome)
            elif isinstance(outcome, Upgrade):
                await self._upgrade(outcome)
                return
            elif not self._finish_at_once(request, outcome):
                await self._pieces(request, outcome)
        except ConnectionError:
            self._transport.abort()
            return
        except Exception:
            # A supervising loop: one connection must not take the others along. Where the head of a stream is out
            # already, cutting the connection is what is left to say "this body is not whole".
            log.exception("%s %s ended", request.method, request.path)
            self._transport.abort()
            return
        self._task = None
        if not self._writer.lost:
            self._next()

    async def _pieces(self, request: Request, response: Response) -> None:
        pieces: Sequence[bytes] = (response.body,) if isinstance(response.body, bytes) else response.body
        length = sum(map(len, pieces))
        await self._writer.write(self._head(request, response, f"Content-Length: {length}"))
        for piece in () if request.method == "HEAD" else pieces:
            await self._writer.write(piece)

    async def _stream(self, request: Request, stream: Stream) -> None:
        await self._writer.write(self._head(request, stream, "Transfer-Encoding: chunked"))
        if request.method == "HEAD":
            return
        await stream.run(ChunkedSink(self._writer))
        await self._writer.write(b"0\r\n\r\n")

    async def _upgrade(self, upgrade: Upgrade) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in upgrade.headers)
        self._raw = RawConnection(self._transport, self._writer, self._rest)
        self._transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{lines}\r\n".encode("latin-1")
        )
        self._transport.resume_reading()
        try:
            await upgrade.run(self._raw)
        finally:
            self._transport.close()

    def _head(self, request: Request, answer: Response | Stream, length: str) -> bytes:
        lines = _COMMON if answer.headers is PRIVATE and answer.content_type == JSON else _lines(answer)
        close = "" if self._keep_alive else "Connection: close\r\n"
        return (
            f"{_STATUS_LINES[answer.status]}Audit-Id: {request.audit_id}\r\n{request.flow}"
            f"{lines}Date: {self._date()}\r\n{close}{length}\r\n\r\n"
        ).encode("latin-1", "replace")

    def _next(self) -> None:
        """The answer is written: take the next request of the pipeline, or wait for it."""
        self._busy = False
        if not self._keep_alive or self._closing or self._rest is not None:
            self._transport.close()
            return
        if self._waiting:
            request, keep_alive = self._waiting.popleft()
            if len(self._waiting) < PIPELINE // 2:
                self._transport.resume_reading()
            # By way of the loop: a long pipeline of quick answers must not become recursion.
            self._busy = True
            self._loop.call_soon(self._answer, request, keep_alive)
            return
        self._last = self._loop.time()

    def _fail(self, error: ApiError) -> None:
        """A request that cannot be read: answer where nothing else is being answered, then close."""
        self._closing = True
        self._keep_alive = False
        if not self._busy:
            self._finish_at_once(Request("GET", ""), self._refuse(error))
        self._transport.close()

    def shut(self) -> None:
        """The server stops: end what streams, close."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        self._transport.close()

    # idle connections

    def _check_idle(self, seconds: float) -> None:
        """One timer a connection, not one a request: it looks whether anything has happened since."""
        quiet = self._loop.time() - self._last
        if not self._busy and quiet >= seconds:
            self._transport.close()
        else:
            wait = IDLE_SECONDS if self._busy else IDLE_SECONDS - quiet
            self._timer = self._loop.call_later(max(wait, 1.0), self._check_idle, IDLE_SECONDS)


class ChunkedSink:
    """A body in chunks; a caller may hand in data that is framed already (see `framed`)."""

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def write(self, data: bytes, patience: float | None = None) -> None:
        if data:
            await self._writer.write(b"%x\r\n%b\r\n" % (len(data), data), patience)

    @property
    def backlog(self) -> int:
        return self._writer.backlog


def _too_large() -> ApiError:
    return RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY}")


def _headers_too_large() -> ApiError:
    return BadRequest("the request's headers are too large")


_NAMING = ("x-remote-", "impersonate-")


def _headers(received: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in received:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = _joined(key, headers[key], text) if key in headers else text
    return headers


def _joined(key: str, before: str, text: str) -> str:
    """Of a header that comes again; names of users and groups may have commas in them."""
    return f"{before}\n{text}" if key.startswith(_NAMING) else f"{before}, {text}"


def _lines(answer: Response | Stream) -> str:
    headers = answer.headers if not answer.content_type else (*answer.headers, ("Content-Type", answer.content_type))
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


_COMMON = _lines(Response())


@lru_cache(maxsize=4096)
def _parsed(url: bytes) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """(decoded path, query, target as received) of a request line's URL."""
    target = url.decode("latin-1")
    path, _, query = target.partition("?")
    if path.startswith(("http://", "https://")):
        path = f"/{path.split('/', 3)[3]}" if path.count("/") > 2 else "/"
    return unquote(path), tuple(parse_qsl(query, keep_blank_values=True)), target
