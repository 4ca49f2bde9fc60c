"""A WebSocket as a plain pipe of bytes: how kubectl carries SPDY through proxies that know WebSockets only.

The client cuts its stream at will over binary messages (subprotocol `SPDY/3.1+portforward.k8s.io`).
"""

from __future__ import annotations

from podling.apiserver.message import Connection
from podling.wire.websocket import Close, Message, Ping, WebSocket, WebSocketError


class Tunnel:
    """Has the verbs of `message.Connection`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._socket = WebSocket()
        self._ended = False

    async def read(self) -> bytes:
        while not self._ended:
            received = await self._connection.read()
            if data := await self._payload(received):
                return data
            self._ended = self._ended or not received
        return b""

    async def write(self, data: bytes) -> None:
        await self._connection.write(self._socket.message(data))

    def close(self) -> None:
        self._connection.close()

    async def say_goodbye(self) -> None:
        await self._connection.write(self._socket.close())

    async def _payload(self, received: bytes) -> bytes:
        payload = b""
        try:
            for event in self._socket.feed(received):
                if isinstance(event, Message):
                    payload += event.data
                elif isinstance(event, Ping):
                    await self._connection.write(self._socket.pong(event.data))
                elif isinstance(event, Close):
                    self._ended = True
                    await self._connection.write(self._socket.close(event.code))
        except WebSocketError as error:
            self._ended = True
            await self._connection.write(self._socket.close(error.code, str(error)))
        return payload
