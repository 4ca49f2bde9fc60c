"""ResourceQuota: no write makes a namespace use more than its quotas say; the last word of admission.

What is used is counted here, from the objects themselves: the first write under a quota counts what there is, and from
then on every committed change is told by the cache. A write that may pass holds its part until it is seen or has
failed, so two of them never share the last place, and nothing depends on how quickly a controller counts; `status` of
the quota is for people. One server writes to a store; several of them would have to agree through the store instead.
A namespace without quotas costs one look into a dict.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any

import orjson

from podling.api.errors import Forbidden, forbidden
from podling.api.objects import Event, prefix_of
from podling.api.quota.constraints import missing
from podling.api.quota.tally import Tally
from podling.api.quota.usage import CLAIMS, PODS, SERVICES, Source, Usage
from podling.apiserver.admission.attempt import Attempt
from podling.env import Env
from podling.storage.watchcache import WatchCache

QUOTAS = prefix_of("", "resourcequotas")
COUNTED_AT_ONCE = 64
PATIENCE = 30.0
"""Seconds after which a write whose client went away is no longer waited for."""
_NOTHING: AbstractContextManager[None] = nullcontext()
_MEASURED = (PODS, SERVICES, CLAIMS)


class _Counted:
    """A quota's tally, which is complete once somebody has counted what there was."""

    def __init__(self, tally: Tally) -> None:
        self.tally, self.complete = tally, False
        self.counting = asyncio.Lock()


class ResourceQuota:
    subresources = True
    operations = ("CREATE", "UPDATE")

    def __init__(self, env: Env, cache: WatchCache) -> None:
        self._env, self._cache = env, cache
        self._quotas: dict[str, dict[str, _Counted]] = {}
        """Namespace → key of the quota → its count."""
        self._followed: dict[Source, None] = {}
        self._promised: dict[str, list[Tally]] = {}
        self._abandoned: dict[str, float] = {}
        for quota in cache.list(QUOTAS):
            self._begin(quota.head.namespace, quota.key, quota.view)
        cache.follow(QUOTAS, self._quota_changed)

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden in upstream's words."""
        if attempt.namespace not in self._quotas:
            return
        source = (attempt.served.entry.storage_group, attempt.served.entry.hub_plural)
        if not _counts(attempt, source):
            return
        tallies = [each for each in await self._complete(attempt.namespace) if source in each.sources]
        if not tallies:
            return
        # From here on nothing waits: what is looked at is what is promised against.
        held = self._fitting(attempt, source, tallies)
        if held and not attempt.dry:
            uid = attempt.obj["metadata"]["uid"]
            for tally, more in held:
                tally.promise(uid, more)
            self._promised[uid] = [tally for tally, _ in held]

    def promise(self, uid: str) -> AbstractContextManager[None]:
        """Around the write itself: gives back what was held for it where it fails."""
        return _Promise(self, uid) if uid in self._promised else _NOTHING

    def settle(self, uid: str) -> None:
        """The write is seen, or will not come."""
        self._abandoned.pop(uid, None)
        for tally in self._promised.pop(uid, ()):
            tally.settle(uid)

    def abandon(self, uid: str) -> None:
        """Nobody waits for the write any more, but it may still be committed."""
        if uid in self._promised:
            self._abandoned[uid] = self._env.monotonic() + PATIENCE

    def _fitting(self, attempt: Attempt, source: Source, tallies: list[Tally]) -> list[tuple[Tally, Usage]]:
        """What to hold of which quota. Raises Forbidden."""
        now = self._env.now()
        view: Any = None
        if source in _MEASURED:
            view = attempt.served.kind.decode(orjson.dumps(attempt.obj))
        key = attempt.served.key(attempt.namespace, attempt.obj["metadata"]["name"])
        held: list[tuple[Tally, Usage]] = []
        for tally in tallies:
            usage = tally.usage(source, view, now)
            if usage and source == PODS and (wanting := missing(view.spec, tally.hard)):
                raise _no(attempt, f"failed quota: {tally.name}: {wanting}")
            more = tally.more(key, usage)
            if tally.exceeded(more):
                self._expire(tally, now)
            if wrong := tally.exceeded(more):
                raise _no(attempt, wrong)
            if more:
                held.append((tally, more))
        return held

    def _expire(self, tally: Tally, now: float) -> None:
        tally.expire(now)
        late = self._env.monotonic()
        for uid in [uid for uid, until in self._abandoned.items() if until < late]:
            self.settle(uid)

    async def _complete(self, namespace: str) -> list[Tally]:
        """The namespace's quotas in order of their names, everything counted."""
        while True:
            counted = [each for _, each in sorted(self._quotas.get(namespace, {}).items())]
            waiting = [each for each in counted if not each.complete]
            if not waiting:
                return [each.tally for each in counted]
            for each in waiting:
                async with each.counting:
                    if not each.complete:
                        await self._count(namespace, each)

    async def _count(self, namespace: str, counted: _Counted) -> None:
        """In slices; what changes meanwhile is counted by the followers, and a second time here."""
        for source in counted.tally.sources:
            if source not in self._followed:
                self._followed[source] = None
                self._cache.follow(prefix_of(*source), partial(self._changed, source))
            keys = [found.key for found in self._cache.list(prefix_of(*source, namespace))]
            for index, key in enumerate(keys, 1):
                if (found := self._cache.get(key)) is not None:
                    counted.tally.count(key, source, found.view, self._env.now())
                if index % COUNTED_AT_ONCE == 0:
                    await self._env.sleep(0)
        counted.complete = True

    def _changed(self, source: Source, event: Event) -> None:
        """A committed change of something that may count."""
        found = event.object
        quotas = self._quotas.get(found.head.namespace)
        if quotas is None:
            return
        self.settle(found.head.uid)
        for counted in quotas.values():
            if source not in counted.tally.sources:
                continue
            if event.type == "DELETED":
                counted.tally.forget(found.key)
            else:
                counted.tally.count(found.key, source, found.view, self._env.now())

    def _quota_changed(self, event: Event) -> None:
        quota, before = event.object, event.previous
        namespace = quota.head.namespace
        if event.type == "DELETED":
            self._quotas.get(namespace, {}).pop(quota.key, None)
            if not self._quotas.get(namespace):
                self._quotas.pop(namespace, None)
        elif before is None or before.view.spec != quota.view.spec:
            self._begin(namespace, quota.key, quota.view)

    def _begin(self, namespace: str, key: str, quota: Any) -> None:
        self._quotas.setdefault(namespace, {})[key] = _Counted(Tally(quota))


class _Promise:
    """What `promise` gives."""

    def __init__(self, quota: ResourceQuota, uid: str) -> None:
        self._quota, self._uid = quota, uid

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._quota.abandon(self._uid)
        else:
            self._quota.settle(self._uid)


def _counts(attempt: Attempt, source: Source) -> bool:
    """Whether the write can make anything count more."""
    if attempt.operation == "CREATE":
        return not attempt.subresource
    if source == PODS:
        return attempt.subresource == "resize"
    return source in (SERVICES, CLAIMS) and not attempt.subresource


def _no(attempt: Attempt, why: str) -> Forbidden:
    entry = attempt.served.entry
    return forbidden(entry.plural, attempt.obj["metadata"].get("name", ""), why, entry.group)
