"""Keeps the flow schemas and priority levels of `objects.py` in being and in shape.

They are stored as they are, without admission and checks, for every server has them at its start and none should wait
for them; what somebody deletes or changes is mended when that is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.api.objects import Event, Object, prefix_of
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.writing import own_request
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.flowcontrol.objects import AUTOUPDATE, GROUP, LEVEL, MANDATORY, SCHEMA, WANTED, found_level
from podling.apiserver.registry.served import Served, encode
from podling.env import rfc3339
from podling.storage.interface import KeyExists

AGAIN = 5.0
"""Seconds before another look where something was in the way."""
Json = dict[str, Any]
log = logging.getLogger(__name__)


class FlowKeeping:
    """`start`, then `run` for as long as the server runs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._changed = asyncio.Event()
        for plural in (SCHEMA, LEVEL):
            backend.cache.follow(prefix_of(GROUP, plural), self._look)

    def _look(self, event: Event) -> None:
        plural = event.object.key.split("/")[1]
        if (plural, event.object.head.name) in WANTED:
            self._changed.set()

    async def start(self) -> None:
        """What is missing is made, all at once, before anybody else can write."""
        await self._all()
        self._changed.clear()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._all()
            except ApiError as error:
                log.info("flow control: %s", error)
                await self._backend.env.sleep(AGAIN)
                self._changed.set()

    async def _all(self) -> None:
        await asyncio.gather(*(self._ensure(plural, name) for plural, name in WANTED))

    async def _ensure(self, plural: str, name: str) -> None:
        backend = self._backend
        served = backend.resources.get(GROUP, "v1", plural)
        found = backend.cache.get(served.key("", name))
        if found is None:
            await self._create(served, name)
        elif not found.head.deleting:
            await self._mend(served, found)

    async def _create(self, served: Served, name: str) -> None:
        backend, spec, now = self._backend, WANTED[served.entry.plural, name], rfc3339(self._backend.env.now())
        metadata = {"name": name, "uid": backend.env.uid(), "generation": 1, "creationTimestamp": now}
        metadata["annotations"] = {AUTOUPDATE: "true"}
        hub = {"apiVersion": f"{GROUP}/v1", "kind": served.entry.kind, "metadata": metadata, "spec": spec, "status": {}}
        if served.entry.plural == SCHEMA:
            hub["status"] = {"conditions": found_level(spec["priorityLevelConfiguration"]["name"], now)}
        key = served.key("", name)
        with contextlib.suppress(KeyExists):
            await backend.cache.create(key, encode(hub), backend.describe.of(key, hub))

    async def _mend(self, served: Served, found: Object) -> None:
        name, now = found.head.name, found.json()
        spec = WANTED[served.entry.plural, name]
        own = name not in MANDATORY and (now["metadata"].get("annotations") or {}).get(AUTOUPDATE) != "true"
        if now.get("spec") != spec and not own:
            wanted = Change(served, "", name, lambda old: {**_unversioned(old), "spec": spec})
            with contextlib.suppress(NotFound):  # it went meanwhile, and comes again
                await change(self._backend, own_request("PUT", ""), wanted)


def _unversioned(obj: Json) -> Json:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}
