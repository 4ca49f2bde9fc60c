"""A descriptor that a node passed, as something to read from and write to."""

from __future__ import annotations

import asyncio
import contextlib
import socket

CHUNK = 64 << 10


class Pipe:
    """Has the verbs of `message.Connection`; owns `sock`, which does not block."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock

    async def read(self) -> bytes:
        """What has arrived; b"" at the end, also when the other side is gone."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, CHUNK)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Waits while the other side is slow. Raises ConnectionError once it is gone."""
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def end(self) -> None:
        """Nothing more will be written; the other direction stays open."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._sock.close()
