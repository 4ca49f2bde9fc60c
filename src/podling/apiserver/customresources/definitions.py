"""All CRDs of the server, followed: what is established is served, what is deleted is emptied first.

One task sees every change of a CRD in order, writes its conditions and swaps what the server serves in one step
between two requests. Watches of a resource whose definition changed end, so that clients come back to the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from podling.api.catalog import Catalog
from podling.api.errors import ApiError, Expired
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.cleanup import clean
from podling.apiserver.customresources.conversion import Converter
from podling.apiserver.customresources.definition import Definition, define
from podling.apiserver.customresources.names import is_true, judged
from podling.apiserver.customresources.writing import write_status
from podling.apiserver.registry.heads import Describer
from podling.apiserver.webhooks.client import WebhookClient
from podling.supervise import Supervisor

log = logging.getLogger(__name__)
Json = dict[str, Any]

PREFIX = "apiextensions.k8s.io/customresourcedefinitions/"


TERMINATING = {"type": "Terminating", "status": "True"}


class CustomResources:
    """`await start()` serves what there is; from then on a task of the server's supervisor follows."""

    def __init__(
        self, backend: Backend, builtin: Catalog, describer: Describer, tasks: Supervisor, client: WebhookClient
    ) -> None:
        """`client` asks conversion webhooks."""
        self._backend, self._builtin, self._describer, self._tasks = backend, builtin, describer, tasks
        self._client = client
        self._metadata = backend.schemas.named("meta/v1.ObjectMeta")
        self._definitions: dict[str, Definition] = {}
        self._seen: dict[str, bytes] = {}
        self._emptying: dict[str, None] = {}

    async def start(self) -> None:
        """Until every established CRD is served."""
        since = self._backend.cache.revision
        # What was written after a CRD's last change has its shape; no need to look at such objects twice.
        self._serve({obj.head.name: obj.revision for obj in self._backend.cache.list(PREFIX)})
        for obj in self._backend.cache.list(PREFIX):
            await self._look(obj.head.name)
        self._tasks.start("custom resources", self._follow(since))

    async def _follow(self, since: int) -> None:
        while True:
            try:
                await self._watch(since)
            except Expired:
                since = self._backend.cache.revision
                self._serve()
                for name in self._crds():
                    await self._look(name)

    async def _watch(self, since: int) -> None:
        async with self._backend.cache.watch(PREFIX, since=since) as events:
            async for batch in events:
                self._serve()
                for name in dict.fromkeys(event.object.head.name for event in batch):
                    await self._look(name)

    async def _look(self, name: str) -> None:
        """Judge the names of a CRD and of those it stood in the way of, then see to its end where it is deleted."""
        crds = self._crds()
        group = name.partition(".")[2]
        for other, crd in crds.items():
            if crd["spec"]["group"] == group:
                await self._judge(other, crd, crds)
        judged_crd = self._crds().get(name)
        ends = judged_crd is not None and judged_crd["metadata"].get("deletionTimestamp")
        if ends and name not in self._emptying:
            self._emptying[name] = None
            self._tasks.start(f"emptying {name}", self._empty(name))

    async def _judge(self, name: str, crd: Json, crds: dict[str, Json]) -> None:
        group = crd["spec"]["group"]
        others = [each for key, each in crds.items() if key != name and each["spec"]["group"] == group]
        status = judged(crd, others, self._backend.env.now())
        if status == crd.get("status"):
            return
        try:
            await write_status(self._backend, name, lambda old: judged(old, others, self._backend.env.now()))
        except ApiError as error:
            log.info("%s: %s", name, error)  # it is gone, or its next change brings us back
        self._serve()

    async def _empty(self, name: str) -> None:
        definition = self._definitions.get(name)
        try:
            await clean(self._backend, name, definition.stored if definition is not None else None)
        except ApiError as error:
            log.warning("%s: %s", name, error)
        finally:
            self._emptying.pop(name, None)

    def _crds(self) -> dict[str, Json]:
        return {obj.head.name: orjson.loads(obj.raw) for obj in self._backend.cache.list(PREFIX)}

    def _serve(self, since: Mapping[str, int] | None = None) -> None:
        """Swap in what is established now, where that differs from what is served.

        `since`: the revision from which on objects have a definition's shape, where that is not now.
        """
        wanted: dict[str, bytes] = {}
        for name, crd in self._crds().items():
            if is_true((crd.get("status") or {}).get("conditions") or (), "Established"):
                wanted[name] = _identity(crd)
        changed = {name for name in {*wanted, *self._seen} if wanted.get(name) != self._seen.get(name)}
        if not changed:
            return
        gone = [self._definitions.pop(name) for name in sorted(changed) if name in self._definitions]
        for name in sorted(changed & set(wanted)):
            crd = orjson.loads(wanted[name])
            revision = (since or {}).get(name, self._backend.cache.revision)
            try:
                self._definitions[name] = define(crd, self._metadata, revision, self._converter(crd))
            except Exception:  # one user's broken definition must not take the server along
                log.exception("%s cannot be served", name)
        self._seen = wanted
        self._swap(gone, [self._definitions[name] for name in sorted(changed) if name in self._definitions])

    def _converter(self, crd: Json) -> Converter | None:
        conversion = crd["spec"].get("conversion") or {}
        if conversion.get("strategy") != "Webhook":
            return None
        return Converter(self._client, self._backend.env, conversion["webhook"])

    def _swap(self, gone: list[Definition], come: list[Definition]) -> None:
        backend, definitions = self._backend, self._definitions.values()
        entries = [entry for each in definitions for entry in each.entries]
        catalog = Catalog((*self._builtin.resources, *entries))
        backend.resources.serve({key: served for each in definitions for key, served in each.served.items()})
        self._describer.declare({each.place: each.kind for each in definitions})
        backend.discovery.renew(catalog)
        backend.openapi.renew(catalog)
        for each in come:
            backend.cache.refresh(each.stored.prefix())
        for served in (served for each in gone for served in each.served.values()):
            backend.frames.pop(served, None)
        for prefix in dict.fromkeys(each.stored.prefix() for each in (*gone, *come)):
            backend.cache.end_watches(prefix)


def _identity(crd: Json) -> bytes:
    """What of a CRD decides how it is served."""
    status = crd.get("status") or {}
    ends = is_true(status.get("conditions") or (), "Terminating")
    kept = {"acceptedNames": status.get("acceptedNames"), "conditions": [TERMINATING] if ends else []}
    return orjson.dumps({"uid": crd["metadata"].get("uid"), "spec": crd["spec"], "status": kept})
