"""A SPDY connection on the loop: its streams as objects to read from and write to.

There is no flow control (see `wire/spdy.py`): a stream nobody reads holds up the whole connection once its buffer is
full, which is what upstream's implementation does too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podling.apiserver.message import Connection
from podling.wire.spdy import (
    CANCEL,
    Data,
    Frame,
    GoAway,
    Headers,
    Ping,
    Reset,
    Spdy,
    SpdyError,
    SynStream,
)

BUFFER = 1 << 20


class SpdyStream:
    """One stream the client opened. Reading ends at its end or reset."""

    def __init__(self, connection: SpdyConnection, number: int, headers: Headers, ended: bool) -> None:
        self._connection = connection
        self.number, self.headers = number, headers
        self._buffer = bytearray()
        self._ended = ended
        self._arrived = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.reset_by_client = False
        self._over = False

    async def read(self) -> bytes:
        """What has arrived; b"" at the end."""
        while not self._buffer and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        self.drained.set()
        return data

    async def write(self, data: bytes) -> None:
        """Raises ConnectionError once the stream or the connection is gone."""
        if self._over or self.reset_by_client:
            raise ConnectionResetError("the stream is closed")
        await self._connection.send(self._connection.core.data(self.number, data))

    async def end(self, data: bytes = b"") -> None:
        """Close our half, with last words."""
        if not self._over and not self.reset_by_client:
            self._over = True
            await self._connection.send(self._connection.core.data(self.number, data, fin=True))

    async def reset(self) -> None:
        """Close both halves; what is on its way may be lost."""
        self.ended()
        if not self.reset_by_client:
            self._over = self.reset_by_client = True
            await self._connection.send(self._connection.core.reset(self.number, CANCEL))

    # What the connection tells.

    def feed(self, data: bytes, fin: bool) -> None:
        self._buffer += data
        self._ended = self._ended or fin
        if len(self._buffer) > BUFFER:
            self.drained.clear()
        self._arrived.set()

    def ended(self) -> None:
        self._ended = True
        self._arrived.set()
        self.drained.set()


class SpdyConnection:
    """The server's side. `opened` hears of each new stream, on the loop, before anything of it is read."""

    def __init__(self, connection: Connection, opened: Callable[[SpdyStream], None]) -> None:
        self._connection, self._opened = connection, opened
        self.core = Spdy(client=False)
        self._streams: dict[int, SpdyStream] = {}
        self._last = 0

    async def run(self) -> None:
        """Until the client leaves; all streams have ended then."""
        try:
            while data := await self._connection.read():
                for frame in self.core.feed(data):
                    await self._take(frame)
        except SpdyError:
            await self.send(self.core.go_away(self._last, 1))
        finally:
            for stream in self._streams.values():
                stream.ended()

    async def send(self, data: bytes) -> None:
        await self._connection.write(data)

    async def go_away(self) -> None:
        """Say that nothing more will come."""
        await self.send(self.core.go_away(self._last))

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, SynStream):
            stream = SpdyStream(self, frame.stream, frame.headers, frame.fin)
            self._last = frame.stream
            self._streams[frame.stream] = stream
            await self.send(self.core.reply(frame.stream))
            self._opened(stream)
        elif isinstance(frame, Data):
            if (found := self._streams.get(frame.stream)) is not None:
                found.feed(frame.data, frame.fin)
                await found.drained.wait()
        elif isinstance(frame, Reset):
            if (found := self._streams.pop(frame.stream, None)) is not None:
                found.reset_by_client = True
                found.ended()
        elif isinstance(frame, Ping):
            if frame.id % 2:
                await self.send(self.core.ping(frame.id))
        elif isinstance(frame, GoAway):
            return  # no new streams will come; those that are open go on
