"""Tokens without an end, which lie in Secrets: when each was used last, and since when that is being written down.

From both a controller knows which of those that nobody asked for are not needed any more (KEP-2799). A day is as exact
as it gets, so a token that is in use costs one write a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from podling.api.errors import AlreadyExists, ApiError, NotFound
from podling.api.objects import Object, key_of
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.writing import own_request
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.env import Env, rfc3339
from podling.storage.watchcache import WatchCache

LAST_USED = "kubernetes.io/legacy-token-last-used"
NAMESPACE, NAME = "kube-system", "kube-apiserver-legacy-service-account-token-tracking"
KEY = key_of("", "configmaps", NAMESPACE, NAME)
AGAIN = 5.0
Json = dict[str, Any]
log = logging.getLogger(__name__)


class Uses:
    """Secrets whose token was used on a day that is not written on them yet."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self.waiting: dict[str, str] = {}
        """The day, by the Secret's key."""
        self.news = asyncio.Event()

    def used(self, secret: Object) -> None:
        today = rfc3339(self._env.now())[:10]
        if secret.head.labels.get(LAST_USED) != today and self.waiting.get(secret.key) != today:
            self.waiting[secret.key] = today
            self.news.set()


class Tracking:
    """`start`, then `run` for as long as the server runs."""

    def __init__(self, backend: Backend, uses: Uses) -> None:
        self._backend, self._uses = backend, uses

    async def start(self) -> None:
        """What is in the way of a write is waited out by `run`."""
        try:
            await self._begin()
        except ApiError as error:
            log.info("cannot say since when tokens are tracked: %s", error)
            self._uses.news.set()

    async def run(self) -> None:
        uses = self._uses
        while True:
            await uses.news.wait()
            uses.news.clear()
            try:
                await self._begin()
                for key, day in tuple(uses.waiting.items()):
                    await self._write(key, day)
                    del uses.waiting[key]
            except ApiError as error:
                log.info("cannot write down that a token was used: %s", error)
                await self._backend.env.sleep(AGAIN)
                uses.news.set()

    async def _begin(self) -> None:
        """The day from which on uses are written down; one that is there stays."""
        backend, today = self._backend, rfc3339(self._backend.env.now())[:10]
        if _said(backend.cache):
            return
        served = backend.resources.get("", "v1", "configmaps")
        if backend.cache.get(KEY) is not None:
            data = {"since": today}
            await change(
                backend, own_request("PUT", ""), Change(served, NAMESPACE, NAME, lambda old: {**old, "data": data})
            )
            return
        metadata = {"name": NAME, "namespace": NAMESPACE}
        hub = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"since": today}}
        with contextlib.suppress(AlreadyExists):
            await create_object(backend, own_request("POST", ""), served, hub, dry=False)

    async def _write(self, key: str, day: str) -> None:
        served = self._backend.resources.get("", "v1", "secrets")
        namespace, name = key.split("/")[-2:]

        def labelled(old: Json) -> Json:
            metadata = {name: value for name, value in old["metadata"].items() if name != "resourceVersion"}
            return {**old, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LAST_USED: day}}}

        with contextlib.suppress(NotFound):  # it went meanwhile
            await change(self._backend, own_request("PUT", ""), Change(served, namespace, name, labelled))


def _said(cache: WatchCache) -> bool:
    """Whether the day is there and is one."""
    found = cache.get(KEY)
    since = str((found.json().get("data") or {}).get("since", "")) if found is not None else ""
    return len(since) == 10 and since.replace("-", "").isdigit()
