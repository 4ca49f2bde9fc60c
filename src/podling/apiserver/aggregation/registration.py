"""APIServices for what this server answers itself, so that `kubectl get apiservices` shows the whole API.

As upstream's autoregistration: one for each built-in group version (`onstart`) and for each version that a
CustomResourceDefinition serves (`true`); what is missing is made again, what is no longer served goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from podling.api.errors import AlreadyExists, ApiError, NotFound
from podling.api.objects import Event, prefix_of
from podling.apiserver.aggregation.priorities import CUSTOM, priorities
from podling.apiserver.aggregation.services import GROUP, PREFIX
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.names import is_true
from podling.apiserver.customresources.writing import own_request
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.endpoints.delete import delete_object
from podling.apiserver.endpoints.options import DeleteOptions

log = logging.getLogger(__name__)
Json = dict[str, Any]
CRDS = prefix_of("apiextensions.k8s.io", "customresourcedefinitions")
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
AGAIN = 5.0
UNLISTED = (GROUP, "metrics.k8s.io")
"""Groups without an APIService of ours: upstream has none for its own, and metrics are for others to take over."""


class Local(NamedTuple):
    group: str
    version: str
    managed: str
    """The value of the label."""
    group_priority: int
    version_priority: int

    @property
    def name(self) -> str:
        return f"{self.version}.{self.group}"

    def body(self) -> Json:
        spec = {"version": self.version, "groupPriorityMinimum": self.group_priority}
        return {
            "kind": "APIService",
            "apiVersion": f"{GROUP}/v1",
            "metadata": {"name": self.name, "labels": {MANAGED: self.managed}},
            "spec": {**({"group": self.group} if self.group else {}), **spec, "versionPriority": self.version_priority},
        }


class Registration:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._changed = asyncio.Event()
        for prefix in (PREFIX, CRDS):
            backend.cache.follow(prefix, self._look)

    def _look(self, event: Event) -> None:
        # Writes of conditions and the like are nothing to us.
        if event.type != "MODIFIED" or event.object.key.startswith(CRDS):
            self._changed.set()

    async def start(self) -> None:
        """The first time; what fails is tried again by `run`."""
        if not await self._tried():
            self._changed.set()

    async def run(self) -> None:
        """For as long as the server runs."""
        while True:
            await self._changed.wait()
            if not await self._tried():
                await self._backend.env.sleep(AGAIN)
                self._changed.set()

    async def _tried(self) -> bool:
        self._changed.clear()
        try:
            await self._all()
        except ApiError as error:  # a webhook is in the way
            log.info("cannot register APIServices: %s", error)
            return False
        return True

    async def _all(self) -> None:
        wanted = {each.name: each for each in (*self._builtin(), *self._custom())}
        present = {obj.head.name: obj.head.labels.get(MANAGED) for obj in self._backend.cache.list(PREFIX)}
        missing = [each for name, each in wanted.items() if name not in present]
        surplus = [name for name, managed in present.items() if managed and name not in wanted]
        await asyncio.gather(*(self._create(each) for each in missing), *(self._delete(name) for name in surplus))

    def _builtin(self) -> Iterator[Local]:
        for group in self._backend.catalog.groups:
            kept = {
                each.version
                for each in self._backend.catalog.resources
                if each.group == group.name and not each.removed
            }
            for version in group.versions if group.name not in UNLISTED else ():
                if version in kept:
                    yield Local(group.name, version, "onstart", *priorities(group.name, version))

    def _custom(self) -> Iterator[Local]:
        for obj in self._backend.cache.list(CRDS):
            said = obj.json()
            if not is_true((said.get("status") or {}).get("conditions") or (), "Established"):
                continue
            for version in said["spec"].get("versions") or ():
                if version.get("served"):
                    yield Local(said["spec"]["group"], version["name"], "true", *CUSTOM)

    async def _create(self, local: Local) -> None:
        served = self._backend.resources.get(GROUP, "v1", "apiservices")
        with contextlib.suppress(AlreadyExists):  # somebody else's stands
            await create_object(self._backend, own_request("POST", ""), served, local.body(), dry=False)

    async def _delete(self, name: str) -> None:
        served = self._backend.resources.get(GROUP, "v1", "apiservices")
        with contextlib.suppress(NotFound):
            await delete_object(self._backend, own_request("DELETE", ""), served, "", name, DeleteOptions())
