"""A log read over a WebSocket: every piece becomes a message, and what the client says is not listened to.

`pods/log` is a plain answer to most clients; one that asks for a WebSocket gets the same bytes as messages, binary or
in base64, after an empty one that says the stream is open. (Upstream's `binary.k8s.io` and `base64.binary.k8s.io`.)
"""

from __future__ import annotations

import base64

from podling.apiserver.message import Connection
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.session import until_either_ends
from podling.wire.websocket import Close, Ping, WebSocket, WebSocketError

BASE64 = "base64.binary.k8s.io"
READ_PROTOCOLS = ("binary.k8s.io", BASE64)
"""No subprotocol at all means the first."""


class MessageStream:
    """One client; `run` returns at the end of the pipe or when the client has left."""

    def __init__(self, connection: Connection, pipe: Pipe, protocol: str) -> None:
        self._connection, self._pipe = connection, pipe
        self._text = protocol == BASE64
        self._socket = WebSocket()

    async def run(self) -> None:
        try:
            await until_either_ends(self._output(), self._input())
        finally:
            self._pipe.close()

    async def _output(self) -> None:
        await self._send(b"")
        while data := await self._pipe.read():
            await self._send(data)
        await self._connection.write(self._socket.close())

    async def _send(self, data: bytes) -> None:
        shown = base64.b64encode(data) if self._text else data
        await self._connection.write(self._socket.message(shown, text=self._text))

    async def _input(self) -> None:
        while data := await self._connection.read():
            try:
                for event in self._socket.feed(data):
                    if isinstance(event, Ping):
                        await self._connection.write(self._socket.pong(event.data))
                    elif isinstance(event, Close):
                        await self._connection.write(self._socket.close(event.code))
                        return
            except WebSocketError as error:
                await self._connection.write(self._socket.close(error.code, str(error)))
                return
