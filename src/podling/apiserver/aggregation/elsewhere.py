"""Lists and watches of components in this process, of resources that another API server answers.

What is ours they read from the watch cache; what is not goes through the filters and the aggregator like anybody's
request, and its answer is taken apart as that of any server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import msgspec

from podling.api.errors import InternalError, from_status
from podling.api.objects import Event
from podling.apiserver.filters.chain import Chain
from podling.apiserver.message import Request, Response, Stream, User
from podling.client.received import Receiver, decode_list, received_event
from podling.client.transport import Listing, Resource
from podling.supervise import Supervisor

QUEUED = 64
_BROKEN = (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError)


Query = Sequence[tuple[str, str]]


def _request(user: User, resource: Resource, namespace: str, query: Query) -> Request:
    request = Request("GET", resource.path(namespace), list(query), {"accept": "application/json"}, in_process=True)
    request.user = user
    return request


async def listed(chain: Chain, user: User, resource: Resource, namespace: str, query: Query) -> Listing:
    """Raises ApiError."""
    outcome = await chain.handle(_request(user, resource, namespace, query))
    body = await _whole(outcome)
    try:
        found, receiver = decode_list(body), Receiver(resource)
        return Listing([receiver.object(raw, found.item_kind) for raw in found.items or ()], found.revision)
    except _BROKEN as error:
        raise InternalError(f"{resource.plural}.{resource.group}: the answer is no list: {error}") from error


@asynccontextmanager
async def watched(
    chain: Chain, user: User, resource: Resource, namespace: str, query: Query
) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
    """Raises ApiError, also while events are taken."""
    params = [("watch", "true"), ("allowWatchBookmarks", "true"), *query]
    outcome = await chain.handle(_request(user, resource, namespace, params))
    if not isinstance(outcome, Stream) or outcome.status >= 400:
        await _whole(outcome)
        raise InternalError(f"{resource.plural}.{resource.group}: the answer is no watch")
    sink = _Queue()
    async with Supervisor() as tasks:
        tasks.start(f"watch of {resource.plural}.{resource.group}", _run(outcome, sink))
        async with aclosing(_events(sink, Receiver(resource))) as batches:
            yield batches


async def _run(stream: Stream, sink: _Queue) -> None:
    try:
        await stream.run(sink)
    finally:
        await sink.end()


async def _events(sink: _Queue, receiver: Receiver) -> AsyncGenerator[Sequence[Event], None]:
    rest = b""
    while piece := await sink.take():
        *lines, rest = (rest + piece).split(b"\n")
        try:
            batch = [received_event(line, receiver) for line in lines if line.strip()]
        except _BROKEN as error:
            raise InternalError(f"a watch's event cannot be read: {error}") from error
        if batch:
            yield batch


async def _whole(outcome: object) -> bytes:
    """Raises the error that an answer says."""
    if isinstance(outcome, Stream):
        outcome = await outcome.collected()
    if not isinstance(outcome, Response):
        raise InternalError("the answer leaves HTTP")
    body = outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)
    if outcome.status >= 400:
        try:
            said = msgspec.json.decode(body)
        except msgspec.DecodeError:
            said = {"message": body.decode("utf-8", "replace").strip()}
        raise from_status(said, outcome.status)
    return body


class _Queue:
    """A sink whose reader may take its time."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)

    async def write(self, data: bytes, patience: float | None = None) -> None:
        if data:
            await self._pieces.put(bytes(data))

    async def end(self) -> None:
        await self._pieces.put(b"")

    async def take(self) -> bytes:
        """b"" at the end."""
        return await self._pieces.get()

    @property
    def backlog(self) -> int:
        return 0
