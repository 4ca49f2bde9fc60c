"""The one shape behind HTTP and in-process calls: a `Request` in, a `Response`, `Stream` or `Upgrade` out.

Endpoints and filters know nothing of sockets. What must flow (lists, watches, logs) is a `Stream` that writes to a
`Sink`; what leaves HTTP altogether (exec, attach, port-forward) is an `Upgrade` that is handed the raw `Connection`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from podling.apiserver.routing import Target

JSON = "application/json"
PRIVATE = (("Cache-Control", "no-cache, private"),)
"""The headers of an answer that says nothing else."""


class User(msgspec.Struct, frozen=True):
    """Who asks: `user.Info` of the authentication documentation."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = {}


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Request:
    """A parsed request. Filters fill `user`, `audit_id`, `target` and `flow`; the rest is as received. `flow` are
    further lines of the answer's head.

    `path` is percent-decoded, `query` in order of appearance, header names are lower case (repeated headers are
    joined by a comma), `body` complete.
    """

    __slots__ = (
        "audit_id",
        "body",
        "certificate_user",
        "flow",
        "headers",
        "in_process",
        "method",
        "notes",
        "path",
        "peer",
        "query",
        "raw_target",
        "started",
        "target",
        "user",
        "warnings",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        certificate_user: User | None = None,
        peer: str = "",
        in_process: bool = False,
        raw_target: str = "",
    ) -> None:
        self.method, self.path, self.body = method, path, body
        self.query = tuple(query)
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.certificate_user = certificate_user
        self.peer = peer
        self.in_process = in_process
        self.raw_target = raw_target or path
        self.user: User = ANONYMOUS
        self.audit_id = self.flow = ""
        self.target: Target | None = None
        self.notes: dict[str, str] | None = None
        self.warnings: Sequence[str] = ()
        self.started = 0.0

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        for key, value in self.query:
            if key == name:
                return value
        return default

    def params(self, name: str) -> list[str]:
        """All values of a repeated query parameter, in order."""
        return [value for key, value in self.query if key == name] if self.query else []

    def header(self, name: str, default: str = "") -> str:
        """A header by its lower-case name."""
        return self.headers.get(name, default)

    def note(self, key: str, text: str) -> None:
        """Add an annotation to what the audit log tells of this request; without a log (`notes` is None) nothing."""
        if self.notes is not None:
            self.notes.setdefault(key, text)

    def warn(self, text: str) -> None:
        """Add a `Warning: 299` header to the answer, once a text."""
        if text not in self.warnings:
            self.warnings = (*self.warnings, text)


class Response:
    """A complete answer; a large body may come in pieces, which are written one by one."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes | Sequence[bytes] = b"",
        content_type: str = JSON,
        headers: Sequence[tuple[str, str]] = PRIVATE,
    ) -> None:
        self.status, self.body, self.content_type, self.headers = status, body, content_type, headers


class Sink(Protocol):
    """Where a `Stream` writes."""

    async def write(self, data: bytes, patience: float | None = None) -> None:
        """Queue `data`; waits while the client reads slower than we write, at most `patience` seconds.
        Raises ConnectionError once it is gone or out of patience."""

    @property
    def backlog(self) -> int:
        """Bytes written that the client has not taken yet."""


class Stream:
    """An answer that is written over time; its end is the end of the body."""

    __slots__ = ("content_type", "headers", "run", "status")

    def __init__(
        self,
        run: Callable[[Sink], Awaitable[None]],
        content_type: str = JSON,
        status: int = 200,
        headers: Sequence[tuple[str, str]] = PRIVATE,
    ) -> None:
        """`run` is cancelled when the client goes away."""
        self.run, self.content_type, self.status, self.headers = run, content_type, status, headers

    async def collected(self) -> Response:
        """The whole of it, once it has ended."""
        sink = _Collected()
        await self.run(sink)
        return Response(self.status, bytes(sink.data), self.content_type)


class _Collected:
    """A sink that takes everything at once."""

    backlog = 0

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes, patience: float | None = None) -> None:
        self.data += data


class Connection(Protocol):
    """The raw connection after `101 Switching Protocols`."""

    async def read(self) -> bytes:
        """What has arrived, at least one byte; b"" at the client's end of file."""

    async def write(self, data: bytes) -> None:
        """Queue and wait while the client is slow. Raises ConnectionError once it is gone."""

    def close(self) -> None:
        """Send what is queued, then close."""


class Upgrade:
    """The connection stops being HTTP: `headers` go out with 101, then `run` owns it until it returns."""

    __slots__ = ("headers", "run")

    def __init__(self, run: Callable[[Connection], Awaitable[None]], headers: Sequence[tuple[str, str]] = ()) -> None:
        self.run, self.headers = run, headers


Outcome = Response | Stream | Upgrade
