"""Exec and attach over WebSocket channels: v5 and v4, their ancestors, and the base64 variants."""

from __future__ import annotations

from podling.apiserver.message import Connection
from podling.apiserver.streams.channelinput import received
from podling.apiserver.streams.session import Session, Wanted, plain_text, until_either_ends
from podling.wire.session import CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT
from podling.wire.websocket import Channels, WebSocket


class ChannelStream:
    """One client; `run` returns when the session is over or the client has left."""

    def __init__(self, connection: Connection, session: Session, channels: Channels, wanted: Wanted) -> None:
        self._connection, self._session = connection, session
        self._channels, self._wanted = channels, wanted
        self._socket = WebSocket()

    async def run(self) -> None:
        try:
            await until_either_ends(self._output(), self._input())
        finally:
            self._session.close()

    async def _output(self) -> None:
        # An empty message says that the streams are open.
        await self._send(STDOUT if self._wanted.stdout else STDERR if self._wanted.stderr else STATUS, b"")
        async for channel, payload in self._session.frames():
            if channel == STATUS and not self._channels.status:
                payload = plain_text(payload)
            await self._send(channel, payload)
        await self._connection.write(self._socket.close())

    async def _input(self) -> None:
        async for channel, payload in received(self._connection, self._socket, self._channels):
            await self._take(channel, payload)

    async def _take(self, channel: int, payload: bytes) -> None:
        try:
            if channel == STDIN and self._wanted.stdin:
                await self._session.type(payload)
            elif channel == RESIZE and self._wanted.tty:
                await self._session.resize(payload)
            elif channel == CLOSE and self._channels.half_close and payload == bytes((STDIN,)):
                await self._session.end_input()
        except ConnectionError:
            return  # the session is over; what it said last is on its way to the client

    async def _send(self, channel: int, payload: bytes) -> None:
        message = self._channels.pack(channel, payload)
        await self._connection.write(self._socket.message(message.data, text=message.text))
