"""What a client says on the channels of a WebSocket, until it leaves: for exec, attach and port-forward alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

from podling.apiserver.message import Connection
from podling.wire.websocket import Channels, Close, Message, Ping, WebSocket, WebSocketError


async def received(connection: Connection, socket: WebSocket, channels: Channels) -> AsyncIterator[tuple[int, bytes]]:
    """(channel, payload) of every message; pings and the end, also that of a client in error, are answered here."""
    while data := await connection.read():
        try:
            for event in socket.feed(data):
                if isinstance(event, Message):
                    yield channels.unpack(event)
                elif isinstance(event, Ping):
                    await connection.write(socket.pong(event.data))
                elif isinstance(event, Close):
                    await connection.write(socket.close(event.code))
                    return
        except WebSocketError as error:
            await connection.write(socket.close(error.code, str(error)))
            return
