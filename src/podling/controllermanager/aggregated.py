"""Resources of other API servers as the controllers see them: what an APIService brings is looked at while it stands.

Its server tells by discovery what it has. As upstream's, the garbage collector goes on with what it knows while such a
server cannot be asked, and no namespace is emptied for good: there could be something left in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from podling.api.errors import ApiError
from podling.api.objects import Object
from podling.client.informer import Informers
from podling.client.transport import Resource, Transport
from podling.controllermanager.customresources import Reader
from podling.env import Env
from podling.reconcile.view import Served, ServedResources
from podling.supervise import Supervisor

APISERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices")
EVERY = 30.0
"""Seconds between two looks at a server's discovery."""
NEEDED = frozenset(("delete", "list", "watch"))
log = logging.getLogger(__name__)


class Version(NamedTuple):
    """A group version that another server answers, and whether it can be asked."""

    group: str
    version: str
    available: bool

    @property
    def name(self) -> str:
        return f"{self.group}/{self.version}"


class _Followed:
    """One APIService: what it stands for, and what its server has."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.changed = asyncio.Event()
        self.served: dict[Served, None] = {}
        self.task: asyncio.Task[None] | None = None


class AggregatedResources:
    """`listen` once the informers run; `known` is changed in place as servers come and go."""

    def __init__(
        self,
        informers: Informers,
        known: ServedResources,
        readers: Sequence[Reader],
        transport: Transport,
        env: Env,
    ) -> None:
        self._informers, self._known, self._readers = informers, known, readers
        self._transport, self._env = transport, env
        self._followed: dict[str, _Followed] = {}

    def listen(self, tasks: Supervisor) -> None:
        self._informers.of(APISERVICES).on_change(self._heard(tasks))

    def _heard(self, tasks: Supervisor) -> Callable[[Object | None, Object | None], None]:
        def heard(old: Object | None, new: Object | None) -> None:
            name = (new or old).head.name  # type: ignore[union-attr]
            version = None if new is None or b'"service"' not in new.raw else remote(new.json())
            followed = self._followed.get(name)
            if followed is not None and (version is None or version.name != followed.version.name):
                self._leave(name, followed)
                followed = None
            if version is None:
                return
            if followed is None:
                followed = self._followed[name] = _Followed(version)
                followed.task = tasks.start(f"APIService {name}", self._follow(followed))
            elif version != followed.version:
                followed.version = version
                followed.changed.set()

        return heard

    async def _follow(self, followed: _Followed) -> None:
        """For as long as the APIService stands."""
        while True:
            followed.changed.clear()
            good = followed.version.available and await self._learn(followed)
            self._known.missing(followed.version.name, not good)
            try:
                async with asyncio.timeout(EVERY):
                    await followed.changed.wait()
            except TimeoutError:
                continue

    async def _learn(self, followed: _Followed) -> bool:
        version = followed.version
        try:
            answer = await self._transport.request("GET", f"/apis/{version.name}")
            now = dict.fromkeys(resources(version, answer.object))
        except (ApiError, KeyError, TypeError, AttributeError) as error:
            log.info("the resources of %s cannot be found out: %r", version.name, error)
            return False
        for served in [each for each in followed.served if each not in now]:
            self._withdraw(followed, served)
        for served in [each for each in now if each not in followed.served]:
            # The same objects in another version need no second look.
            if self._known.of_plural(served.resource.group, served.resource.plural) is None:
                await self._add(followed, served)
        return True

    async def _add(self, followed: _Followed, served: Served) -> None:
        followed.served[served] = None
        await self._informers.of(served.resource).wait_synced()
        self._known.add(served)
        for reader in self._readers:
            reader.attend(served.resource)

    def _withdraw(self, followed: _Followed, served: Served) -> None:
        del followed.served[served]
        self._known.remove(served)
        for reader in self._readers:
            reader.forget(served.resource)
        self._informers.drop(served.resource)

    def _leave(self, name: str, followed: _Followed) -> None:
        del self._followed[name]
        if followed.task is not None:
            followed.task.cancel()
        self._known.missing(followed.version.name, False)
        for served in tuple(followed.served):
            self._withdraw(followed, served)


def remote(apiservice: dict[str, Any]) -> Version | None:
    """What an APIService stands for; None where this cluster's own server answers."""
    spec = apiservice.get("spec") or {}
    if not spec.get("service"):
        return None
    conditions = (apiservice.get("status") or {}).get("conditions") or ()
    available = any(each.get("type") == "Available" and each.get("status") == "True" for each in conditions)
    return Version(spec.get("group", ""), spec.get("version", ""), available)


def resources(version: Version, document: dict[str, Any]) -> list[Served]:
    """Those of an APIResourceList that can be looked at and deleted."""
    found = []
    for each in document.get("resources") or ():
        verbs = tuple(each.get("verbs") or ())
        if "/" not in each["name"] and set(verbs) >= NEEDED:
            resource = Resource(version.group, version.version, each["name"])
            found.append(Served(resource, each["kind"], bool(each.get("namespaced")), verbs))
    return found
