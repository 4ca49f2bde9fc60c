"""The node's door for the server: a Unix socket on which one request buys one descriptor.

The server holds no privilege and lives outside of the node's namespaces. It asks here; the node process makes the
connection (or the exec session, the log stream …) inside and passes the descriptor itself, so no byte of the
connection goes through this process. A request is one JSON line, the answer `{"ok":true}` with a descriptor by
SCM_RIGHTS, or `{"error": <Status>}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from podling.api.errors import ApiError, BadRequest, ServiceUnavailable
from podling.supervise import Supervisor
from podling.unixpath import short_path

Handler = Callable[[Mapping[str, Any]], Awaitable[socket.socket]]
"""Carries out every verb but `connect`; returns the socket to pass, raises ApiError or OSError."""

_LONGEST_REQUEST = 1 << 20
_REQUEST_SECONDS = 10.0
_CONNECT_SECONDS = 10.0


class NodeSocket:
    """The server's part, in the node process. `listen` makes the socket, `run` serves until it is cancelled."""

    def __init__(self, path: str, handler: Handler, *, owner: int | None = None) -> None:
        """`path`: of the socket (mode 0600). `owner`: the user id of the server, where it is not ours."""
        self._path = path
        self._handler = handler
        self._owner = owner
        self._listener: socket.socket | None = None

    def listen(self) -> None:
        """A socket left behind by an earlier process gives way."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with short_path(self._path) as path:
            listener.bind(path)
        os.chmod(self._path, 0o600)
        if self._owner is not None:
            os.chown(self._path, self._owner, -1)
        listener.listen(128)
        self._listener = listener

    async def run(self) -> None:
        if self._listener is None:
            self.listen()
        listener = self._listener
        assert listener is not None
        loop = asyncio.get_running_loop()
        try:
            async with Supervisor() as tasks:
                while True:
                    connection, _ = await loop.sock_accept(listener)
                    tasks.start("node request", self._serve(connection))
        finally:
            listener.close()
            self._listener = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    async def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    request = await _read_request(connection)
                with await self._carry_out(request) as result:
                    socket.send_fds(connection, [b'{"ok":true}\n'], [result.fileno()])
            except ApiError as error:
                _refuse(connection, error)
            except OSError as error:
                _refuse(connection, ServiceUnavailable(error.strerror or str(error)))

    async def _carry_out(self, request: Mapping[str, Any]) -> socket.socket:
        if request.get("verb") != "connect":
            return await self._handler(request)
        try:
            return await connect(str(request["address"]), int(request["port"]))
        except (KeyError, ValueError):
            raise BadRequest("connect needs an address and a port") from None


async def connect(address: str, port: int) -> socket.socket:
    """A TCP connection from this process's namespace, non-blocking. Raises ServiceUnavailable in the words of Go."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except TimeoutError:
        sock.close()
        raise ServiceUnavailable(f"dial tcp {address}:{port}: i/o timeout") from None
    except OSError as error:
        sock.close()
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ServiceUnavailable(f"dial tcp {address}:{port}: connect: {why}") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def _read_request(connection: socket.socket) -> Mapping[str, Any]:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while not data.endswith(b"\n"):
        if len(data) > _LONGEST_REQUEST:
            raise BadRequest("a node request is one line of at most 1 MiB")
        piece = await loop.sock_recv(connection, 65_536)
        if not piece:
            raise BadRequest("the node request ended before its line did")
        data += piece
    try:
        request = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise BadRequest(f"a node request is JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest("a node request is a JSON object")
    return request


def _refuse(connection: socket.socket, error: ApiError) -> None:
    with contextlib.suppress(OSError):  # who asked may be gone
        connection.send(msgspec.json.encode({"error": error.status()}) + b"\n")
