"""Long lists in pieces of at most 64 KiB, made in slices of 64 objects (DESIGN 4, 8).

One large write costs three times the CPU of many small ones, and a loop that joins thousands of objects in one go
answers nobody else meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from podling.api.objects import Object
from podling.apiserver.message import Sink
from podling.apiserver.registry.served import Served

SLICE = 64
PIECE = 64 * 1024
WHOLE_PIECE = 128 * 1024
"""Of a list that is known: eight full TLS records, which cost a tenth less than four and a bit."""
CACHED_LISTS, CACHED_BYTES = 8, 4 << 20

Pieces = AsyncIterator[bytes]


async def flow(sink: Sink, head: bytes, pieces: Pieces, tail: bytes) -> None:
    """The pieces begin with a comma, all of them: the first one's is left out."""
    first = True
    async for piece in pieces:
        await sink.write(head + piece[1:] if first else piece)
        first = False
    await sink.write(tail)


async def pieces_of(
    objects: Sequence[Object],
    item: Callable[[Object], bytes],
    ready: Callable[[Sequence[Object]], Awaitable[None]] | None = None,
) -> Pieces:
    """The items, each behind a comma, in pieces of about 64 KiB; the loop is let go between slices.

    `ready` is waited for before a slice is looked at (versions that a webhook converts).
    """
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(objects), SLICE):
        if ready is not None:
            await ready(objects[start : start + SLICE])
        for obj in objects[start : start + SLICE]:
            data = item(obj)
            parts += (b",", data)
            size += len(data)
            if size >= PIECE:
                yield b"".join(parts)
                parts, size = [], 0
        await asyncio.sleep(0)
    if parts:
        yield b"".join(parts)


def cut(body: bytes) -> list[bytes]:
    """A body in pieces of one size."""
    return [body[start : start + WHOLE_PIECE] for start in range(0, len(body), WHOLE_PIECE)]


class PieceCache:
    """The pieces of the last long lists, for as long as the lists hold the same objects.

    Clients that poll and components that start all read the same lists; joining them costs more than sending them.
    """

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[Served, str], tuple[Sequence[Object], list[bytes]]] = OrderedDict()

    def known(self, served: Served, prefix: str, objects: Sequence[Object]) -> Sequence[bytes]:
        """The pieces of exactly these objects, the first one without its comma; empty where they have to be made."""
        key = (served, prefix)
        before, pieces = self._lists.get(key, ((), ()))
        # Objects are compared by identity: one revision of an object is one value.
        if len(before) != len(objects) or list(before) != list(objects):
            return ()
        self._lists.move_to_end(key)
        return pieces

    async def made(self, served: Served, prefix: str, objects: Sequence[Object]) -> Pieces:
        """The pieces as `pieces_of` makes them, remembered for the next one who asks."""
        made: list[bytes] = []
        async for piece in pieces_of(objects, served.listed):
            made.append(piece if made else piece[1:])
            yield piece
        if sum(map(len, made)) <= CACHED_BYTES:
            self._lists[served, prefix] = (objects, cut(b"".join(made)))
            if len(self._lists) > CACHED_LISTS:
                self._lists.popitem(last=False)
