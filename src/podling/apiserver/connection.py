"""The two ends of a connection that asyncio's transports lack: a writer that waits, a reader for raw upgrades.

The transport says when its buffer is too full (`pause_writing`); whoever writes waits here until it is not, so a
slow client holds up its own answer and nothing else.
"""

from __future__ import annotations

import asyncio

# While a raw upgrade's reader is behind by this much, the socket is not read.
READ_LIMIT = 256 * 1024


class Writer:
    """Back-pressure for one transport."""

    __slots__ = ("_resumed", "_transport", "lost", "paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._resumed: asyncio.Future[None] | None = None
        self.paused = False
        self.lost = False

    async def write(self, data: bytes, patience: float | None = None) -> None:
        """Queue `data`, then wait while the client is slow, at most `patience` seconds. Raises ConnectionError."""
        if self.lost:
            raise ConnectionResetError("the client is gone")
        self._transport.write(data)
        if not self.paused:
            return
        try:
            async with asyncio.timeout(patience):
                await self._drained()
        except TimeoutError:
            raise ConnectionAbortedError("the client does not read") from None

    async def _drained(self) -> None:
        while self.paused and not self.lost:
            if self._resumed is None:
                self._resumed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._resumed)
        if self.lost:
            raise ConnectionResetError("the client is gone")

    @property
    def backlog(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._wake()

    def lose(self) -> None:
        self.lost = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._resumed = self._resumed, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class RawConnection:
    """A connection after its upgrade (`message.Connection`)."""

    def __init__(self, transport: asyncio.Transport, writer: Writer, rest: bytes | None) -> None:
        """`rest`: bytes that came right behind the request."""
        self._transport, self._writer = transport, writer
        self._buffer = bytearray(rest or b"")
        self._ended = False
        self._stopped = False
        self._arrived: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        while not self._buffer and not self._ended:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._stopped:
            self._stopped = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        await self._writer.write(data)

    def close(self) -> None:
        self._transport.close()

    # what the protocol tells

    def feed(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > READ_LIMIT and not self._stopped:
            self._stopped = True
            self._transport.pause_reading()
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def lose(self) -> None:
        self.end()

    def _wake(self) -> None:
        waiting, self._arrived = self._arrived, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
