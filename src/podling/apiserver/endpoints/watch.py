"""WATCH: a list of selected objects that goes on.

An event is encoded and framed once for all watchers that see it in the same form (DESIGN 4); what has gathered for a
watcher goes out in one write. Where a watch begins (resourceVersion, sendInitialEvents) is in the Kubernetes API
concepts, "Efficient detection of changes" and "Streaming lists" (KEP-3157).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from podling.api.errors import ApiError, BadRequest, InternalError
from podling.api.objects import Event, Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.list import Selection, selection_of
from podling.apiserver.endpoints.listoptions import check_watch
from podling.apiserver.endpoints.pieces import SLICE
from podling.apiserver.endpoints.rendering import Renderer
from podling.apiserver.endpoints.revisions import reached, revision_of
from podling.apiserver.message import JSON, Request, Sink, Stream
from podling.apiserver.registry.served import Served
from podling.storage.interface import StorageError
from podling.storage.watch import Watch

MIN_SECONDS = 1800.0
BOOKMARK_SECONDS = 60.0
# uvloop's timers may be early by less than this: what is left then is no time to wait for.
TIMER_SECONDS = 0.002
# A watcher that takes nothing for so long is cut off: what waits for it is memory of ours.
PATIENCE = 10.0
REMEMBERED_BYTES = 2 << 20
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Wish(NamedTuple):
    """What a watch asks for. `since` is None for "from the present state on"."""

    since: int | None
    initial_events: bool
    bookmarks: bool
    seconds: float


def watch(backend: Backend, request: Request) -> Stream:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    wish = wish_of(backend, request)
    watcher = Watcher(backend, served, selection_of(served, request), wish, request)
    return Stream(watcher.run, f"{JSON};stream=watch" if "as=" in request.headers.get("accept", "") else JSON)


def wish_of(backend: Backend, request: Request) -> Wish:
    """Raises Invalid for combinations that upstream forbids."""
    revision = revision_of(request)
    bookmarks = request.param("allowWatchBookmarks") in ("true", "1")
    said = request.param("sendInitialEvents")
    check_watch(request)
    seconds = request.param("timeoutSeconds")
    try:
        limit = float(int(seconds)) if seconds else 0.0
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{seconds}": invalid syntax') from None
    limit = limit or MIN_SECONDS * (1 + backend.env.chance())
    if said in ("true", "1"):
        return Wish(None, True, bookmarks, limit)
    if not revision:
        # Without a revision, or with 0, a watch begins with what is there, unless told not to.
        return Wish(backend.cache.revision if said else None, False, bookmarks, limit)
    return Wish(revision, False, bookmarks, limit)


class Watcher:
    """One watch being answered."""

    def __init__(self, backend: Backend, served: Served, selection: Selection, wish: Wish, request: Request) -> None:
        self._backend, self._served, self._selection, self._wish = backend, served, selection, wish
        self._renderer = Renderer(backend, request, served, listing=False)
        self._encoder = Encoder(self._renderer, backend.frames)
        self._until = backend.env.monotonic() + wish.seconds
        self._at_least = revision_of(request) or 0

    async def run(self, sink: Sink) -> None:
        self._backend.metrics.watches += 1
        try:
            await self._events(sink)
        except StorageError as error:
            await sink.write(self._encoder.error(InternalError(f"the store has ended: {error}")), PATIENCE)
        except ApiError as error:
            await sink.write(self._encoder.error(error), PATIENCE)
        finally:
            self._backend.metrics.watches -= 1

    async def _events(self, sink: Sink) -> None:
        cache, interest = self._backend.cache, self._selection.interest
        since = self._wish.since
        initial: Sequence[Object] = ()
        if since is None:
            await reached(self._backend, self._at_least)
            found = cache.list(self._selection.prefix)
            initial = [obj for obj in found if interest.concerns(obj.head)] if self._selection.selective else found
            since = cache.revision
        else:
            await reached(self._backend, since)
        resource = self._served.prefix()
        async with cache.watch(resource, since=since, interest=interest) as events:
            for start in range(0, len(initial), SLICE):
                if self._served.waits:
                    await self._served.ready(initial[start : start + SLICE])
                await sink.write(self._encoder.present(initial[start : start + SLICE]), PATIENCE)
                await asyncio.sleep(0)
            if self._wish.initial_events and self._wish.bookmarks:
                await sink.write(self._encoder.bookmark(since, initial_end=True))
            await self._live(events, sink)

    async def _live(self, events: Watch, sink: Sink) -> None:
        """Until the time is up. The timeout runs from bookmark to bookmark, not from event to event: it costs."""
        now = self._backend.env.monotonic
        while (left := self._until - now()) > TIMER_SECONDS:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS) if self._wish.bookmarks else left):
                    async for batch in events:
                        if self._served.waits:
                            await self._served.ready([event.object for event in batch])
                        await sink.write(self._encoder.events(batch), PATIENCE)
                return  # the resource's definition has changed: the client comes back to the new one
            except TimeoutError:
                if self._wish.bookmarks:
                    await sink.write(self._encoder.bookmark(events.revision), PATIENCE)


class Frames:
    """Events of one resource in one version, as lines of JSON, for all watchers that want them plain.

    What came last is remembered: the watchers of one event are woken one after the other.
    """

    def __init__(self, item: Callable[[Object], bytes]) -> None:
        self._item = item
        self._lines: OrderedDict[int, tuple[Event, bytes]] = OrderedDict()
        self._size = 0
        self._joined: tuple[Sequence[Event], bytes] = ((), b"")

    def batch(self, batch: Sequence[Event]) -> bytes:
        if len(batch) == 1:
            return self.line(batch[0])
        before, joined = self._joined
        if len(before) != len(batch) or any(a is not b for a, b in zip(before, batch, strict=True)):
            joined = b"".join(map(self.line, batch))
            self._joined = (batch, joined)
        return joined

    def line(self, event: Event) -> bytes:
        found = self._lines.get(id(event))
        if found is not None:
            return found[1]
        line = framed(event, self._item(event.object))
        # The event itself is kept beside its line, so its id stays its own.
        self._lines[id(event)] = (event, line)
        self._size += len(line)
        while self._size > REMEMBERED_BYTES:
            _, (_, forgotten) = self._lines.popitem(last=False)
            self._size -= len(forgotten)
        return line


def framed(event: Event, data: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (event.type.encode(), data)


class Encoder:
    """Events in one watcher's form."""

    def __init__(self, renderer: Renderer, frames: dict[Served, Frames]) -> None:
        """`frames` are the server's, shared by all watchers."""
        self._renderer = renderer
        self._served = renderer.served
        self._first = True
        self._plain: Frames | None = None
        if not renderer.form.shape:
            self._plain = frames.setdefault(self._served, Frames(renderer.item))

    def events(self, batch: Sequence[Event]) -> bytes:
        return self._plain.batch(batch) if self._plain is not None else b"".join(map(self._event, batch))

    def present(self, objects: Sequence[Object]) -> bytes:
        """What is there when the watch begins: events of this watcher alone."""
        return b"".join(self._event(Event("ADDED", obj)) for obj in objects)

    def _event(self, event: Event) -> bytes:
        if self._renderer.form.shape != "Table":
            return framed(event, self._renderer.item(event.object))
        data = self._renderer.table((event.object,), heads=self._first)
        self._first = False
        return framed(event, data)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        entry = self._served.entry
        obj: dict[str, Any] = {"kind": entry.kind, "apiVersion": entry.api_version, "metadata": metadata}
        shape, version = self._renderer.form
        if shape == "PartialObjectMetadata":
            obj |= {"kind": shape, "apiVersion": f"meta.k8s.io/{version}"}
        elif shape == "Table":
            row = {"cells": [], "object": obj}
            obj = {
                "kind": "Table",
                "apiVersion": f"meta.k8s.io/{version}",
                "metadata": metadata,
                "columnDefinitions": [],
                "rows": [row],
            }
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

    def error(self, error: ApiError) -> bytes:
        return orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n"
