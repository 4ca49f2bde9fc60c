"""All live objects in memory, kept abreast of the store's log: what every read and every watch is answered from.

Reads are synchronous and never older than a write that was answered, because writes made through the cache return
only when it has applied them. Events go to the watchers they concern and to a ring bounded by bytes; a watch from
before the ring reads the log, so informers outlive a restart of the server without a relist.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from podling.api.objects import Event, EventType, Head, Object
from podling.env import Env
from podling.storage.changes import Change
from podling.storage.indexes import Indexes
from podling.storage.interest import EVERYTHING, Interest, InterestIndex
from podling.storage.interface import Commit, Row, Storage, StorageError
from podling.storage.ledger import key_range
from podling.storage.ring import Ring
from podling.storage.watch import Watch
from podling.supervise import Supervisor

Description = tuple[Head, Callable[[bytes], Any]]
"""The head of an object, and what decodes its typed view."""
Describe = Callable[[str, bytes], Description]
"""(key, stored JSON) → its description."""

INDEXED_FIELDS = ("spec.nodeName",)
LOADED_AT_ONCE = 500
APPLIED_AT_ONCE = 200


class WatchCache:
    """`await start(tasks)` loads everything; from then on all methods may be used, from that loop only."""

    def __init__(
        self, storage: Storage, env: Env, describe: Describe, *, ring_bytes: int = 64 << 20, buffer_bytes: int = 4 << 20
    ) -> None:
        """`ring_bytes` bounds the events kept for watches to resume from, `buffer_bytes` what waits for one watcher."""
        self.storage = storage
        self._env, self._describe = env, describe
        self._buffer_bytes = buffer_bytes
        self._objects: dict[str, Object] = {}
        self._keys: dict[str, list[str]] = {}
        self._indexes = Indexes(INDEXED_FIELDS)
        self._watchers: dict[str, InterestIndex[Watch]] = {}
        self._followers: dict[str, list[Callable[[Event], None]]] = {}
        self._awaited: dict[int, list[asyncio.Future[None]]] = {}
        self._ended: StorageError | None = None
        self._described: dict[str, tuple[bytes, Description]] = {}
        self._ring = Ring(0, ring_bytes)
        self.revision = 0
        """The last revision applied: what a list says it was read at."""

    async def start(self, tasks: Supervisor) -> None:
        """Load what is live and follow the log; when the store fails, the supervisor's task `watchcache` fails."""
        self.revision = self._ring.start = at = self.storage.revision
        after: str | None = ""
        while after is not None:
            page = await self.storage.list("", at=at, after=after, limit=LOADED_AT_ONCE)
            for row in page.rows:
                self._put(resource_of(row.key), self._object(row), None)
            after = page.rows[-1].key if page.remaining else None
            await self._env.sleep(0)
        tasks.start("watchcache", self._follow(at))

    # Reading: synchronous, at `revision`.

    @property
    def oldest(self) -> int:
        """Watches from here on are served from memory; older ones read the log."""
        return self._ring.start

    def get(self, key: str) -> Object | None:
        return self._objects.get(key)

    def list(self, prefix: str, *, after: str = "", limit: int | None = None) -> Sequence[Object]:
        """The objects under `prefix` (of a resource, or of a namespace of it) in order of keys."""
        keys = self._keys.get(resource_of(prefix), [])
        first, end = key_range(keys, prefix, after)
        return [self._objects[key] for key in keys[first : end if limit is None else min(end, first + limit)]]

    def count(self, prefix: str, *, after: str = "") -> int:
        first, end = key_range(self._keys.get(resource_of(prefix), []), prefix, after)
        return end - first

    def resources(self) -> Sequence[str]:
        """The prefixes of all resources that have objects, sorted."""
        return sorted(prefix for prefix, keys in self._keys.items() if keys)

    def owned(self, uid: str) -> Sequence[Object]:
        """The objects that name `uid` among their owners, in order of keys, of every resource."""
        return [self._objects[key] for key in self._indexes.owned(uid)]

    def having(self, prefix: str, field: str, value: str) -> Sequence[Object]:
        """The objects under `prefix` whose indexed field (`spec.nodeName`) has this value, in order of keys."""
        keys = self._indexes.having(resource_of(prefix), field, value)
        return [self._objects[key] for key in keys if key.startswith(prefix)]

    def objects(self, rows: Iterable[Row]) -> Sequence[Object]:
        """Rows of the store (an old page) as objects; the live ones among them are shared."""
        found = []
        for row in rows:
            live = self._objects.get(row.key)
            found.append(live if live is not None and live.revision == row.revision else self._object(row))
        return found

    # Writing: to the store, and back when it is visible here.

    async def create(self, key: str, raw: bytes, described: Description | None = None) -> Object:
        """`described`: of `raw`, where the writer has it at hand. Raises what `Storage.create` raises."""
        if described is not None:
            self._described[key] = (raw, described)
        try:
            row = await self.storage.create(key, raw)
        except BaseException:
            self._described.pop(key, None)
            raise
        return await self._visible(row)

    async def update(self, key: str, raw: bytes, *, expect: int, described: Description | None = None) -> Object:
        """Raises what `Storage.update` raises."""
        if described is not None:
            self._described[key] = (raw, described)
        try:
            row = await self.storage.update(key, raw, expect=expect)
        except BaseException:
            self._described.pop(key, None)
            raise
        return await self._visible(row)

    async def delete(self, key: str, *, expect: int, last: bytes | None = None) -> Object:
        """The last state, at the revision of the deletion. Raises what `Storage.delete` raises."""
        return await self._visible(await self.storage.delete(key, expect=expect, last=last))

    async def reached(self, revision: int) -> None:
        """Until the cache has applied `revision`. Raises StorageError where it follows the store no longer."""
        if revision > self.revision:
            if self._ended is not None:
                raise self._ended
            waiting = asyncio.get_running_loop().create_future()
            self._awaited.setdefault(revision, []).append(waiting)
            await waiting

    # Watching.

    def watch(self, prefix: str, *, since: int, interest: Interest = EVERYTHING) -> Watch:
        """Events after the revision `since` of a resource (`prefix` ends its name; a namespace's goes into the
        interest). To begin with the present: `list`, then `watch(since=cache.revision)` with no await between."""
        resource = resource_of(prefix)
        if prefix != resource and not interest.namespace:
            raise ValueError(f"{prefix} is not a resource's prefix: put the namespace into the interest")
        return Watch(self, resource, since, interest, self._buffer_bytes)

    def follow(self, prefix: str, follower: Callable[[Event], None]) -> None:
        """Tell `follower` of every change of a resource as it is applied, so before the writer is answered."""
        self._followers.setdefault(prefix, []).append(follower)

    def refresh(self, prefix: str) -> None:
        """Describe the objects of a resource again: its definition has changed."""
        resource = resource_of(prefix)
        for key in self._keys.get(resource, ()):
            old = self._objects[key]
            head, decode = self._describe(key, old.raw)
            self._put(resource, Object(key, old.raw, old.revision, head, decode), old)

    def end_watches(self, prefix: str) -> None:
        """End the watches of a resource, without an error: it is not what it was."""
        for watch in list(self._watchers.get(resource_of(prefix), ())):
            watch.end(StopAsyncIteration())

    # For `Watch`.

    def change_of(self, commit: Commit) -> Change:
        row, previous = commit.row, commit.previous
        kind: EventType = "DELETED" if row.deleted else "ADDED" if previous is None else "MODIFIED"
        return Change(Event(kind, self._object(row), None if previous is None else self._object(previous)))

    def recent(self, resource: str, since: int) -> Sequence[Change]:
        return self._ring.since(resource, since)

    def register(self, watch: Watch) -> None:
        """Ends it at once where there is nothing more to tell."""
        if self._ended is not None:
            watch.end(self._ended)
            return
        index = self._watchers.setdefault(watch.resource, InterestIndex(INDEXED_FIELDS))
        index.add(watch, watch.interest)

    def unregister(self, watch: Watch) -> None:
        if (index := self._watchers.get(watch.resource)) is not None:
            index.remove(watch, watch.interest)

    # Following the log.

    async def _follow(self, since: int) -> None:
        try:
            async with self.storage.subscribe(since) as log:
                async for commits in log:
                    for index, commit in enumerate(commits, 1):
                        self._apply(commit)
                        if index % APPLIED_AT_ONCE == 0:
                            await self._env.sleep(0)
        except StorageError as error:
            self._fail(error)
            raise
        except asyncio.CancelledError:
            # Whoever waits for a write to become visible would wait for ever.
            self._fail(StorageError("the server is stopping"))
            raise

    def _apply(self, commit: Commit) -> None:
        row = commit.row
        new, old, resource = self._object(row), self._objects.get(row.key), resource_of(row.key)
        if row.deleted:
            if old is not None:
                self._remove(old)
            change = Change(Event("DELETED", new, old))
        else:
            self._put(resource, new, old)
            change = Change(Event("ADDED" if old is None else "MODIFIED", new, old))
        self.revision = row.revision
        self._ring.append(resource, change)
        for follower in self._followers.get(resource, ()):
            follower(change.event)
        if index := self._watchers.get(resource):
            # A watcher that is cut off leaves the index meanwhile.
            for watch in list(index.candidates(new.head, old.head if old else None)):
                watch.deliver(change)
        for waiting in self._awaited.pop(row.revision, ()):
            if not waiting.done():
                waiting.set_result(None)

    def _fail(self, error: StorageError) -> None:
        """For good: writes that the store is still carrying out ask for their revision later than this."""
        self._ended = error
        for index in self._watchers.values():
            for watch in list(index):
                watch.end(error)
        for waiting in (waiting for futures in self._awaited.values() for waiting in futures):
            if not waiting.done():
                waiting.set_exception(error)
        self._awaited.clear()

    async def _visible(self, row: Row) -> Object:
        if row.revision > self.revision:
            await self.reached(row.revision)
        live = self._objects.get(row.key)
        return live if live is not None and live.revision == row.revision else self._object(row)

    def _object(self, row: Row) -> Object:
        known = self._described.pop(row.key, None)
        live = self._objects.get(row.key)
        if known is not None and known[0] is row.value:
            head, decode = known[1]
        elif live is not None and live.raw is row.value:  # the last state of what is deleted
            return live.at(row.revision)
        else:
            head, decode = self._describe(row.key, row.value)
        return Object(row.key, row.value, row.revision, head, decode)

    def _put(self, resource: str, new: Object, old: Object | None) -> None:
        if old is None:
            insort(self._keys.setdefault(resource, []), new.key)
        else:
            self._indexes.remove(old)
        self._objects[new.key] = new
        self._indexes.add(new)

    def _remove(self, old: Object) -> None:
        keys = self._keys[resource_of(old.key)]
        del keys[bisect_left(keys, old.key)]
        del self._objects[old.key]
        self._indexes.remove(old)


def resource_of(key: str) -> str:
    """The resource's prefix (`core/pods/`) of a key or of a longer prefix."""
    return key[: key.index("/", key.index("/") + 1) + 1]
