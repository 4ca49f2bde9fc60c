"""The Dialers: through the node's Unix socket, and the one for nodes that nobody can reach."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api.errors import ServiceUnavailable, from_status
from podling.unixpath import short_path

_LONGEST_ANSWER = 65_536


class UnixDialer:
    """Asks node processes on this machine (`nodesocket.py` is the other end)."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        """`paths`: node name → path of its socket; read at every call, so it may grow."""
        self._paths = paths

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        return await self.stream(node, {"verb": "connect", "address": address, "port": port})

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        path = self._paths.get(node)
        if path is None:
            raise ServiceUnavailable(f'node "{node}" has no socket on this machine')
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            try:
                with short_path(path) as short:
                    await loop.sock_connect(connection, short)
                await loop.sock_sendall(connection, msgspec.json.encode(request) + b"\n")
                return await _answer(connection, node)
            except OSError as error:
                raise ServiceUnavailable(f'node "{node}" does not answer: {error.strerror or error}') from None


class RefusingDialer:
    """For fake nodes: every call is refused with the same reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        raise ServiceUnavailable(self._reason)

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        raise ServiceUnavailable(self._reason)


async def _answer(connection: socket.socket, node: str) -> socket.socket:
    data, descriptors = b"", list[int]()
    try:
        while not data.endswith(b"\n"):
            await _readable(connection)
            # socket.recv_fds would drop the flag, and every process started meanwhile would inherit the descriptor.
            piece, control, _, _ = connection.recvmsg(_LONGEST_ANSWER, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
            descriptors += [int.from_bytes(value[:4], "little") for _, _, value in control]
            data += piece
            if not piece:
                raise ServiceUnavailable(f'node "{node}" ended the request without an answer')
        if not descriptors:
            raise from_status(msgspec.json.decode(data).get("error") or {"message": "no descriptor"}, 503)
        sock = socket.socket(fileno=descriptors.pop())
    finally:
        for descriptor in descriptors:
            socket.close(descriptor)
    sock.setblocking(False)
    return sock


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(sock.fileno())
