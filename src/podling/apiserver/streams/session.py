"""The bridge between a node's session socket and a client: the part that all protocols share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, NamedTuple

import msgspec

from podling.api.errors import InternalError
from podling.apiserver.streams.pipe import Pipe
from podling.supervise import Supervisor
from podling.wire.session import CLOSE, RESIZE, STATUS, STDIN, Unframer, frame

FRAME = 256 << 10
GOODBYE_SECONDS = 5.0
"""How long a client may take to hang up after the last word."""


class Wanted(NamedTuple):
    """The streams a client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Session:
    """An exec or attach on a node, as frames (`wire/session.py`)."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        """Output, and last of all the status; one is made up where the node went away without a word."""
        unframer = Unframer()
        while data := await self._pipe.read():
            for channel, payload in unframer.feed(data):
                yield channel, payload
                if channel == STATUS:
                    return
        yield STATUS, _internal("the node ended the session without a status")

    async def type(self, data: bytes) -> None:
        """Feed standard input. Raises ConnectionError once the session is over."""
        for start in range(0, len(data), FRAME):
            await self._pipe.write(frame(STDIN, data[start : start + FRAME]))

    async def end_input(self) -> None:
        await self._pipe.write(frame(CLOSE, bytes((STDIN,))))

    async def resize(self, size: bytes) -> None:
        """`size` is JSON: {"Width": columns, "Height": rows}."""
        await self._pipe.write(frame(RESIZE, size))

    def close(self) -> None:
        self._pipe.close()


class FailedSession(Session):
    """A session that ended before it began: all it has to say is why."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        yield STATUS, _internal(f"Internal error occurred: {self._why}")

    async def type(self, data: bytes) -> None:
        raise ConnectionResetError("the session has failed")

    async def end_input(self) -> None:
        raise ConnectionResetError("the session has failed")

    async def resize(self, size: bytes) -> None:
        raise ConnectionResetError("the session has failed")

    def close(self) -> None:
        """Nothing was opened."""


async def until_either_ends(output: Coroutine[Any, Any, None], reading: Coroutine[Any, Any, None]) -> None:
    """Run both directions. The end of `output` is the end, once the client has hung up or taken too long about it:
    closing while it still sends would cost it our last bytes. The end of `reading` is a client that left."""
    async with Supervisor() as tasks:
        out, back = tasks.start("stream output", _quietly(output)), tasks.start("stream input", _quietly(reading))
        await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
        if out.done() and not back.done():
            await asyncio.wait((back,), timeout=GOODBYE_SECONDS)


async def _quietly(direction: Coroutine[Any, Any, None]) -> None:
    try:
        await direction
    except ConnectionError:
        return  # one side left, which is how streams end


def plain_text(status: bytes) -> bytes:
    """What protocols before v4 say on the error channel: nothing, or why it failed."""
    decoded = msgspec.json.decode(status)
    return b"" if decoded.get("status") == "Success" else str(decoded.get("message", "")).encode()


def _internal(message: str) -> bytes:
    """An InternalError, as the error channel carries it."""
    return msgspec.json.encode(InternalError(message).status())
