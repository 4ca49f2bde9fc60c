"""The event recorder: what components tell the user (`kubectl describe`, `kubectl get events`).

Recording never waits and never fails the caller: events go through a bounded queue to one task that writes them.
Equal events are counted on one object, and many similar ones (same reason, other texts) are combined, in the way of
upstream's correlator. Losing an event on a failing API is allowed; blocking a controller is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import Any

import msgspec

from podling.api.errors import AlreadyExists, ApiError, NotFound, ServiceUnavailable
from podling.client.resources import EVENTS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env, rfc3339
from podling.supervise import for_each

SIMILAR_LIMIT = 10
"""More similar events than this within SIMILAR_WINDOW seconds are combined into one."""
SIMILAR_WINDOW = 600.0
BURST, REFILL = 25, 1 / 300
"""Events per object and source: a bucket of 25, one more every five minutes."""
REMEMBERED = 4096
ATTEMPTS = 12
MOST_WAITING = 20_000
TOGETHER, AT_ONCE = 16, 2
"""Events decided about together, and written at a time: what is told may be late where much is done."""
log = logging.getLogger(__name__)


class Reference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A core/v1 ObjectReference: what an event is about."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


class Note(msgspec.Struct, frozen=True):
    """One thing to tell. `type` is Normal or Warning."""

    about: Reference
    type: str
    reason: str
    message: str


class _Series(msgspec.Struct):
    """What is remembered of an event that was written."""

    name: str
    count: int
    first: float


class Write(msgspec.Struct, frozen=True):
    """What the correlator decided: a new Event, or a higher count on a known one."""

    name: str
    count: int
    first: float
    last: float
    note: Note


class Correlator:
    """Counts and combines; pure. All times are wall clock seconds."""

    def __init__(self) -> None:
        self._named = 0
        self._known: OrderedDict[Note, _Series] = OrderedDict()
        self._similar: OrderedDict[tuple[Any, ...], tuple[dict[str, None], float]] = OrderedDict()
        self._tokens: OrderedDict[Reference, tuple[float, float]] = OrderedDict()

    def decide(self, note: Note, now: float) -> Write | None:
        """None where the object has told too much already."""
        note = self._combined(note, now)
        if not self._allowed(_timeless(note).about, now):
            return None
        identity = _timeless(note)
        series = self._known.get(identity)
        if series is None:
            self._named = max(int(now * 1e9), self._named + 1)
            series = _Series(f"{note.about.name}.{self._named:x}", 0, now)
            _remember(self._known, identity, series)
        series.count += 1
        return Write(series.name, series.count, series.first, now, note)

    def forget(self, note: Note) -> None:
        """The Event behind it is gone (expired): the next one starts anew."""
        self._known.pop(_timeless(note), None)

    def _combined(self, note: Note, now: float) -> Note:
        key = (_timeless(note).about, note.type, note.reason)
        messages, last = self._similar.get(key, ({}, now))
        if now - last > SIMILAR_WINDOW:
            messages = {}
        messages[note.message] = None
        _remember(self._similar, key, (messages, now))
        if len(messages) < SIMILAR_LIMIT:
            return note
        messages.pop(next(iter(messages)))
        return msgspec.structs.replace(note, message=f"(combined from similar events): {note.message}")

    def _allowed(self, about: Reference, now: float) -> bool:
        tokens, since = self._tokens.get(about, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - since) * REFILL)
        _remember(self._tokens, about, (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now))
        return tokens >= 1


def _timeless(note: Note) -> Note:
    """The same note whatever revision the object had."""
    return msgspec.structs.replace(note, about=msgspec.structs.replace(note.about, resource_version=""))


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


class EventRecorder:
    """`event` from anywhere on the loop; `run` beside it. `component` is the source that users see."""

    def __init__(self, transport: Transport, env: Env, component: str, host: str = "") -> None:
        self._rest, self._env = Rest(transport), env
        self._component, self._host = component, host
        self._correlator = Correlator()
        self._waiting: asyncio.Queue[Note] = asyncio.Queue(maxsize=MOST_WAITING)
        self._dropped = 0

    def event(self, about: Reference, type: str, reason: str, message: str) -> None:
        try:
            self._waiting.put_nowait(Note(about, type, reason, message[:1024]))
        except asyncio.QueueFull:
            if self._dropped % MOST_WAITING == 0:
                log.warning("events are dropped, too many wait; the first: %s %s: %s", reason, about.name, message)
            self._dropped += 1

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        while True:
            notes = [await self._waiting.get()]
            while len(notes) < TOGETHER and not self._waiting.empty():
                notes.append(self._waiting.get_nowait())
            await self._tell(notes)
            for _ in notes:
                self._waiting.task_done()

    async def _tell(self, notes: list[Note]) -> None:
        """Many events at once, but of one event one count after the other."""
        writes: dict[str, Write] = {}
        for note in notes:
            write = self._correlator.decide(note, self._env.now())
            if write is None:
                continue
            if write.name in writes:
                await for_each(writes.values(), self._deliver, at_once=AT_ONCE)
                writes = {}
            writes[write.name] = write
        await for_each(writes.values(), self._deliver, at_once=AT_ONCE)

    async def flush(self) -> None:
        """Until everything recorded so far is written (or given up)."""
        await self._waiting.join()

    async def _deliver(self, write: Write) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return await self._write(write)
            except AlreadyExists:
                # Another component told something of the same object in the same nanosecond: take the next name.
                self._correlator.forget(write.note)
                write = self._correlator.decide(write.note, self._env.now()) or write
            except ServiceUnavailable:
                await self._env.sleep(min(10.0, 0.1 * 2**attempt * (0.5 + self._env.chance())))
            except ApiError as error:
                log.info("event not written: %s: %s", write.note.reason, error)
                return None
        log.warning("event lost, the API was away too long: %s", write.note.reason)
        return None

    async def _write(self, write: Write) -> None:
        namespace = write.note.about.namespace or "default"
        if write.count > 1:
            patch = {"count": write.count, "lastTimestamp": rfc3339(write.last), "message": write.note.message}
            try:
                await self._rest.patch(EVENTS, namespace, write.name, patch, kind="strategic-merge")
                return
            except NotFound:
                self._correlator.forget(write.note)
        await self._rest.create(EVENTS, namespace, self._body(write, namespace))

    def _body(self, write: Write, namespace: str) -> dict[str, Any]:
        source = {"component": self._component} | ({"host": self._host} if self._host else {})
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": write.name, "namespace": namespace},
            "involvedObject": msgspec.to_builtins(write.note.about),
            "reason": write.note.reason,
            "message": write.note.message,
            "source": source,
            "firstTimestamp": rfc3339(write.first),
            "lastTimestamp": rfc3339(write.last),
            "count": write.count,
            "type": write.note.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
