"""Informers: list, then watch, for ever; a copy of one resource that is never wrong, only late.

A lost connection is watched again from the last revision seen; where history is gone (410) the resource is listed
again and what changed meanwhile is told to the handlers as if it had been watched. `revision` is what a writer
compares with the answer of his write to know that he sees it (DESIGN 6).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from podling.api.errors import ApiError, Expired, Gone
from podling.api.objects import Event, Object
from podling.client.indexed import Indexed, IndexFunction
from podling.client.transport import Listing, Resource, Transport
from podling.env import Env
from podling.supervise import Supervisor

Handler = Callable[[Object | None, Object | None], None]
"""(old, new): old is None for what appeared, new is None for what is gone. Must not block or raise."""

FIRST_DELAY, LONGEST_DELAY = 0.05, 1.0
SLICE = 16
"""Events told to all handlers before others get their turn."""
log = logging.getLogger(__name__)


class Informer:
    """The objects of one resource (of one namespace, or those a selector finds); a `Lister`.

    `indexes` names further indexes; see `Indexed`. Handlers added late are told what is there already.
    """

    def __init__(
        self,
        transport: Transport,
        resource: Resource,
        env: Env,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexes: Mapping[str, IndexFunction] | None = None,
        owners: Counter[str] | None = None,
    ) -> None:
        self.resource = resource
        self._transport, self._env = transport, env
        self._namespace, self._labels, self._fields = namespace, label_selector, field_selector
        self._objects = Indexed(indexes, owners)
        self._handlers: list[Handler] = []
        self._advanced: list[Callable[[], None]] = []
        self._synced, self._moved = asyncio.Event(), asyncio.Event()
        self._revision = 0
        self._stale = True
        self._delay = FIRST_DELAY
        # The reading face is the index's own.
        self.by_key, self.get, self.list = self._objects.by_key, self._objects.get, self._objects.list
        self.owned, self.on_node = self._objects.owned, self._objects.on_node
        self.selected, self.indexed = self._objects.selected, self._objects.indexed

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def synced(self) -> bool:
        """True once the first list has been told to the handlers."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def wait_revision(self, revision: int) -> None:
        """Until everything up to `revision` has been seen."""
        await self.wait_until(lambda: self._revision >= revision)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; it is asked again after each batch."""
        while not condition():
            self._moved.clear()
            await self._moved.wait()

    def on_change(self, handler: Handler) -> None:
        self._handlers.append(handler)
        for known in self._objects.list():
            handler(None, known)

    def on_advance(self, advanced: Callable[[], None]) -> None:
        """Call `advanced` after each batch, when `revision` has moved."""
        self._advanced.append(advanced)

    async def run(self) -> None:
        """For ever; returns only by cancellation."""
        while True:
            try:
                if self._stale:
                    await self._list()
                await self._watch()
            except (Expired, Gone):
                self._stale = True
            except ApiError as error:
                log.info("%s: %s; again in %.2f s", self.resource.plural, error, self._delay)
                await self._env.sleep(self._delay)
                self._delay = min(self._delay * 2, LONGEST_DELAY)

    async def _list(self) -> None:
        listing = await self._transport.list(
            self.resource, namespace=self._namespace, label_selector=self._labels, field_selector=self._fields
        )
        self._replace(listing)
        self._stale = False
        self._synced.set()

    async def _watch(self) -> None:
        async with self._transport.watch(
            self.resource,
            since=self._revision,
            namespace=self._namespace,
            label_selector=self._labels,
            field_selector=self._fields,
        ) as batches:
            async for batch in batches:
                self._delay = FIRST_DELAY
                for begin in range(0, len(batch), SLICE):
                    if begin:
                        await asyncio.sleep(0)
                    self._apply(batch[begin : begin + SLICE])
        # A server may close at will; a moment's rest keeps one that closes at once from being asked in a tight loop.
        await self._env.sleep(FIRST_DELAY)

    def _replace(self, listing: Listing) -> None:
        now = {found.key: found for found in listing.items}
        for key in self._objects.keys():  # noqa: SIM118 (not a dict)
            if key not in now:
                self._tell(self._objects.remove(key), None)
        for found in listing.items:
            known = self._objects.by_key(found.key)
            if known is None or known.revision != found.revision:
                self._put(found)
        self._advance(listing.revision)

    def _apply(self, batch: Sequence[Event]) -> None:
        for event in batch:
            match event.type:
                case "ADDED" | "MODIFIED":
                    self._put(event.object)
                case "DELETED":
                    self._tell(self._objects.remove(event.object.key), None)
        self._advance(batch[-1].object.revision)

    def _put(self, new: Object) -> None:
        known = self._objects.by_key(new.key)
        if known is not None and known.head.uid != new.head.uid:
            self._tell(self._objects.remove(new.key), None)
        self._tell(self._objects.put(new), new)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        if old is not None or new is not None:
            for handler in self._handlers:
                handler(old, new)

    def _advance(self, revision: int) -> None:
        self._revision = max(self._revision, revision)
        self._moved.set()
        for advanced in self._advanced:
            advanced()


class Informers:
    """One shared informer per resource; `of` before or after `run` has started."""

    def __init__(self, transport: Transport, env: Env) -> None:
        self._transport, self._env = transport, env
        self._informers: dict[Resource, Informer] = {}
        self._owners: Counter[str] = Counter()
        self._running: dict[Resource, asyncio.Task[None]] = {}
        self._tasks: Supervisor | None = None

    def of(self, resource: Resource) -> Informer:
        informer = self._informers.get(resource)
        if informer is None:
            informer = self._informers[resource] = Informer(self._transport, resource, self._env, owners=self._owners)
            self._start(informer)
        return informer

    def owns(self, uid: str) -> bool:
        """Whether any object of any of these resources names it as an owner."""
        return uid in self._owners

    def drop(self, resource: Resource) -> None:
        """Nobody serves this resource any more."""
        self._informers.pop(resource, None)
        if (running := self._running.pop(resource, None)) is not None:
            running.cancel()

    def __contains__(self, resource: Resource) -> bool:
        return resource in self._informers

    async def run(self) -> None:
        """Until cancelled; every informer that was or will be asked for runs."""
        async with Supervisor() as self._tasks:
            for informer in self._informers.values():
                self._start(informer)
            await asyncio.get_running_loop().create_future()

    def _start(self, informer: Informer) -> None:
        if self._tasks is not None:
            task = self._tasks.start(f"informer {informer.resource.plural}", informer.run())
            self._running[informer.resource] = task
