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

import msgspec

from podling.api.catalog import Catalog
from podling.api.errors import AlreadyExists, ApiError, NotFound
from podling.api.objects import Event, Object, prefix_of
from podling.apiserver.aggregation.priorities import CUSTOM, priorities
from podling.apiserver.aggregation.services import GROUP, PREFIX
from podling.apiserver.backend import Backend
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


class _Version(msgspec.Struct):
    name: str = ""
    served: bool = False


class _Spec(msgspec.Struct):
    group: str = ""
    versions: list[_Version] | None = None


class _Condition(msgspec.Struct):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Definition(msgspec.Struct):
    """What matters here of a CustomResourceDefinition, which may be large."""

    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


_decode = msgspec.json.Decoder(_Definition).decode


class Registration:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._changed = asyncio.Event()
        self._own = {each.name: each for each in _builtin(backend.catalog)}
        self._custom = {obj.key: _custom(obj) for obj in backend.cache.list(CRDS)}
        backend.cache.follow(PREFIX, self._service)
        backend.cache.follow(CRDS, self._definition)

    def _service(self, event: Event) -> None:
        if event.type != "MODIFIED":  # writes of conditions and the like are nothing to us
            self._changed.set()

    def _definition(self, event: Event) -> None:
        key = event.object.key
        found = {} if event.type == "DELETED" else _custom(event.object)
        if found != self._custom.pop(key, {}):
            self._changed.set()
        if found:
            self._custom[key] = found

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
        wanted = dict(self._own)
        for found in self._custom.values():
            wanted.update(found)
        present = {obj.head.name: obj.head.labels.get(MANAGED) for obj in self._backend.cache.list(PREFIX)}
        missing = [each for name, each in wanted.items() if name not in present]
        surplus = [name for name, managed in present.items() if managed and name not in wanted]
        await asyncio.gather(*(self._create(each) for each in missing), *(self._delete(name) for name in surplus))

    async def _create(self, local: Local) -> None:
        served = self._backend.resources.get(GROUP, "v1", "apiservices")
        with contextlib.suppress(AlreadyExists):  # somebody else's stands
            await create_object(self._backend, own_request("POST", ""), served, local.body(), dry=False)

    async def _delete(self, name: str) -> None:
        served = self._backend.resources.get(GROUP, "v1", "apiservices")
        with contextlib.suppress(NotFound):
            await delete_object(self._backend, own_request("DELETE", ""), served, "", name, DeleteOptions())


def _builtin(catalog: Catalog) -> Iterator[Local]:
    """What upstream serves, too: versions it has removed are none of its group versions."""
    kept = {(each.group, each.version) for each in catalog.resources if not each.removed}
    for group in catalog.groups:
        for version in group.versions if group.name not in UNLISTED else ():
            if (group.name, version) in kept:
                yield Local(group.name, version, "onstart", *priorities(group.name, version))


def _custom(obj: Object) -> dict[str, Local]:
    """The served versions of an established definition, by the names of their APIServices."""
    said = _decode(obj.raw)
    if not any(each.type == "Established" and each.status == "True" for each in said.status.conditions or ()):
        return {}
    locals_ = [Local(said.spec.group, each.name, "true", *CUSTOM) for each in said.spec.versions or () if each.served]
    return {each.name: each for each in locals_}
