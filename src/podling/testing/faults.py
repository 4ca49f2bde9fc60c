"""Transports that fail as networks do, and that write down what passes through them.

`FaultyTransport` breaks watches, answers writes with a Conflict that never happened, loses answers of writes that did
happen, and says that history is gone; how often is declared, when is chance from the env, so that one seed is one
history. `RecordingTransport` turns every request into a line of an action log.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from podling.api.errors import ApiError, Conflict, Expired, InternalError, ServiceUnavailable, TooManyRequests
from podling.api.objects import Event
from podling.client.transport import Answer, Listing, Resource, Transport, Verb
from podling.env import Env
from podling.storage.interface import Row, WriteFailed
from podling.storage.memory import MemoryStorage

WRITES = ("POST", "PUT", "PATCH", "DELETE")
LATEST, PUNCTUAL = 12.0, 30.0
"""Seconds that a watch may be late at most, and how long it then keeps up again."""
Log = Callable[[str], None]
Told = Callable[[Verb, str, Any, str], None]
"""(verb, path, body, outcome)"""


class Faults(msgspec.Struct, frozen=True):
    """Probabilities; of a watch's faults per batch, of the others per request."""

    lost_watch: float = 0.0
    expired_watch: float = 0.0
    late_watch: float = 0.0
    """It says nothing for seconds, and then everything."""
    repeated_events: float = 0.0
    """What a watch has told, it tells once more."""
    conflict: float = 0.0
    lost_request: float = 0.0
    """It never reached the server."""
    lost_answer: float = 0.0
    """It was carried out, and nobody heard."""
    too_many: float = 0.0
    """429, and the request is not carried out."""
    broken: float = 0.0
    """500, and the request is not carried out."""
    storage: float = 0.0
    """A write that the store refuses, and nothing of it is kept."""
    delay: float = 0.0
    """Seconds at most that a request takes, evenly spread."""


class FaultyTransport:
    """A `Transport` around another."""

    def __init__(self, inner: Transport, env: Env, faults: Faults, told: Told | None = None) -> None:
        """`told` hears of every write that failed here, with the reason."""
        self._inner, self._env, self.faults = inner, env, faults
        self._told = told
        self._crash: tuple[int, Callable[[], None]] | None = None

    def crash_after(self, writes: int, crash: Callable[[], None]) -> None:
        """Call `crash` when that many more writes were carried out and the next one was, too: nobody hears the answer
        of that one, nor of anything that is asked later. Events and Leases are not counted."""
        self._crash = writes, crash

    def spare(self) -> None:
        """It does not crash after all."""
        self._crash = None

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        await self._travel()
        if (refusal := self._refusal(verb)) is not None:
            raise self._telling(verb, path, body, refusal)
        answer = await self._inner.request(verb, path, body=body, query=query, content_type=content_type)
        if self._crash is not None and verb in WRITES and "/events" not in path and "/leases" not in path:
            await self._count_down(*self._crash)
        if verb in WRITES and self._happens(self.faults.lost_answer):
            lost = ServiceUnavailable("injected: the connection was lost before the answer")
            raise self._telling(verb, path, body, lost)
        return answer

    def _refusal(self, verb: Verb) -> ApiError | None:
        """What keeps a request from being carried out."""
        if verb in ("PUT", "PATCH") and self._happens(self.faults.conflict):
            return Conflict("injected: the object has been modified")
        if self._happens(self.faults.lost_request):
            return ServiceUnavailable("injected: the connection was lost before the request")
        if self._happens(self.faults.too_many):
            return TooManyRequests("injected: too many requests", retry_after=1)
        if self._happens(self.faults.broken):
            return InternalError("injected: an internal error")
        return None

    def _telling(self, verb: Verb, path: str, body: Any, error: ApiError) -> ApiError:
        if self._told is not None:
            self._told(verb, path, body, f"{error.code} {error}")
        return error

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        await self._travel()
        if self._happens(self.faults.lost_request):
            raise ServiceUnavailable("injected: the connection was lost before the request")
        return await self._inner.list(
            resource, namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        *,
        since: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
        async with (
            self._inner.watch(
                resource,
                since=since,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
            ) as batches,
            aclosing(self._breaking(batches)) as breaking,
        ):
            yield breaking

    async def _count_down(self, left: int, crash: Callable[[], None]) -> None:
        if left >= 0:
            self._crash = left - 1, crash
        if left == 0:
            crash()
        if left <= 0:
            await asyncio.get_running_loop().create_future()

    async def _breaking(self, batches: AsyncIterator[Sequence[Event]]) -> AsyncGenerator[Sequence[Event], None]:
        punctual = 0.0
        async for batch in batches:
            await self._travel()
            if self._env.monotonic() >= punctual and self._happens(self.faults.late_watch):
                await self._env.sleep(self._env.chance() * LATEST)
                punctual = self._env.monotonic() + PUNCTUAL
            if self._happens(self.faults.lost_watch):
                raise ServiceUnavailable("injected: the watch was lost")
            if self._happens(self.faults.expired_watch):
                raise Expired("injected: too old resource version")
            yield batch
            if self._happens(self.faults.repeated_events):
                yield batch

    async def _travel(self) -> None:
        if self.faults.delay:
            await self._env.sleep(self._env.chance() * self.faults.delay)

    def _happens(self, probability: float) -> bool:
        return bool(probability) and self._env.chance() < probability


class FaultyStorage(MemoryStorage):
    """The memory store whose disk is full now and then: a write is refused before anything of it is kept."""

    def __init__(self, env: Env) -> None:
        super().__init__()
        self._env = env
        self.refusals = 0.0

    async def create(self, key: str, value: bytes) -> Row:
        self._refuse()
        return await super().create(key, value)

    async def update(self, key: str, value: bytes, *, expect: int) -> Row:
        self._refuse()
        return await super().update(key, value, expect=expect)

    async def delete(self, key: str, *, expect: int, last: bytes | None = None) -> Row:
        self._refuse()
        return await super().delete(key, expect=expect, last=last)

    def _refuse(self) -> None:
        if self.refusals and self._env.chance() < self.refusals:
            raise WriteFailed("injected: nothing was written")


class RecordingTransport:
    """A `Transport` that tells `log` every write and what came of it, in one line with the time and who asked."""

    def __init__(self, inner: Transport, env: Env, who: str, log: Log) -> None:
        self._inner, self._env, self._who, self._log = inner, env, who, log
        self.list, self.watch = inner.list, inner.watch

    async def request(
        self,
        verb: Verb,
        path: str,
        *,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Answer:
        try:
            answer = await self._inner.request(verb, path, body=body, query=query, content_type=content_type)
        except ApiError as error:
            self.tell(verb, path, body, f"{error.code} {error}")
            raise
        self.tell(verb, path, body, f"{answer.code} at {answer.revision}")
        return answer

    def tell(self, verb: str, path: str, body: Any, outcome: str) -> None:
        if verb in WRITES:
            encoded = msgspec.json.encode(body)
            digest = hashlib.sha256(encoded).hexdigest()[:12]
            self._log(f"{self._env.monotonic():.6f} {self._who}: {verb} {path} {digest} -> {outcome}")
