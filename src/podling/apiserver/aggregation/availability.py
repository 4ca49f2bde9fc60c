"""Whether aggregated servers can be asked: the condition Available, and their discovery kept at hand.

As upstream's available-condition controller: first what can be seen in the cluster (Service, port, endpoints), then
the server's own discovery. One task looks whenever something changed, and every half minute; without aggregated
servers it sleeps.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple

import orjson

from podling.api.errors import ApiError
from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.api.objects import Event, key_of, prefix_of
from podling.apiserver.aggregation.calling import Caller
from podling.apiserver.aggregation.merging import Known, from_aggregated, from_resources
from podling.apiserver.aggregation.openapi2 import Part, part_of
from podling.apiserver.aggregation.services import GROUP, PREFIX, Remote, Services
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.names import with_condition
from podling.apiserver.customresources.writing import OWN, own_request
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.streams.exchange import BrokenAnswer
from podling.apiserver.webhooks.reach import SLICE_OF, Unreachable

log = logging.getLogger(__name__)
Json = dict[str, Any]
EVERY, SOON = 30.0, 1.0
PATIENCE = 5.0
ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Finding(NamedTuple):
    """The condition Available: status, reason, message."""

    status: str
    reason: str
    message: str


PASSED = Finding("True", "Passed", "all checks passed")


class Availability:
    def __init__(self, backend: Backend, services: Services, caller: Caller) -> None:
        self._backend, self._services, self._caller = backend, services, caller
        self.known: dict[tuple[str, str], Known] = {}
        self.openapi: dict[tuple[str, str], str] = {}
        """Where the OpenAPI v3 document of a version is, relative to its server."""
        self.openapi2: dict[tuple[str, str], Part] = {}
        self._described: dict[tuple[str, str], int] = {}
        self.generation = 0
        """Counts changes of what is known."""
        self._changed = asyncio.Event()
        self._looked_at = services.remote
        for prefix in (PREFIX, prefix_of("", "services"), prefix_of("discovery.k8s.io", "endpointslices")):
            backend.cache.follow(prefix, self._look)

    def _look(self, event: Event) -> None:
        """Only what belongs to an aggregated server wakes the task; our own writes of conditions do not."""
        remote = self._services.remote
        if event.object.key.startswith(PREFIX):
            if remote != self._looked_at:
                self._looked_at = remote
                self._changed.set()
        elif remote and self._concerns(event):
            self._changed.set()

    def _concerns(self, event: Event) -> bool:
        head = event.object.head
        name = head.labels.get(SLICE_OF) or head.name
        return any((each.namespace, each.service) == (head.namespace, name) for each in self._services.remote.values())

    async def run(self) -> None:
        """For as long as the server runs."""
        pause = SOON
        while True:
            self._changed.clear()
            good = await self._all()
            if not self._services.remote:
                await self._changed.wait()
                continue
            try:
                async with asyncio.timeout(EVERY if good else pause):
                    await self._changed.wait()
                pause = SOON
            except TimeoutError:
                pause = SOON if good else min(2 * pause, EVERY)

    async def _all(self) -> bool:
        remotes = list(self._services.remote.values())
        for gone in [key for key in self.known if key not in self._services.remote]:
            del self.known[gone]
            self.openapi.pop(gone, None)
            self.openapi2.pop(gone, None)
            self._described.pop(gone, None)
            self.generation += 1
        findings = await asyncio.gather(*(self._one(remote) for remote in remotes))
        return all(finding.status == "True" for finding in findings)

    async def _one(self, remote: Remote) -> Finding:
        finding = self._seen(remote) or await self._asked(remote)
        if finding.status != "True":
            before = self.known.get((remote.group, remote.version))
            self._learn(Known(remote, before.version if before else None, False))
        try:
            await self._write(remote, finding)
        except ApiError as error:
            log.info("%s: %s", remote.name, error)  # it is gone, or its next change brings us back
        return finding

    def _learn(self, known: Known) -> None:
        key = (known.remote.group, known.remote.version)
        if self.known.get(key) != known:
            self.known[key] = known
            self.generation += 1

    def _seen(self, remote: Remote) -> Finding | None:
        """What already the cluster's objects say against it."""
        cache, where = self._backend.cache, f'service/{remote.service} in "{remote.namespace}"'
        found = cache.get(key_of("", "services", remote.namespace, remote.service))
        if found is None:
            return Finding("False", "ServiceNotFound", f"{where} is not present")
        service: Service = found.view
        if service.spec.type == "ExternalName":
            return None
        ports = [each for each in service.spec.ports if each.port == remote.port]
        if not ports:
            return Finding("False", "ServicePortError", f"{where} is not listening on port {remote.port}")
        prefix = prefix_of("discovery.k8s.io", "endpointslices", remote.namespace)
        slices = [each for each in cache.list(prefix) if each.head.labels.get(SLICE_OF) == remote.service]
        if not slices:
            return Finding("False", "EndpointsNotFound", f"cannot find endpointslices for {where}")
        if not any(_has_ready(each.view, ports[0].name) for each in slices):
            why = f"endpoints for {where} have no addresses with port name {orjson.dumps(ports[0].name).decode()}"
            return Finding("False", "MissingEndpoints", why)
        return None

    async def _asked(self, remote: Remote) -> Finding:
        url = f"https://{remote.host}:{remote.port}{remote.path}"
        try:
            status, _, body = await self._caller.get(remote, remote.path, OWN, "application/json", PATIENCE)
            if not 200 <= status < 300:
                why = f"bad status from {url}: {status}"
                return Finding("False", "FailedDiscoveryCheck", f"failing or missing response from {url}: {why}")
            await self._discover(remote, body)
        except (Unreachable, BrokenAnswer, OSError) as error:
            why = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
            text = f'failing or missing response from {url}: Get "{url}": {why}'
            return Finding("False", "FailedDiscoveryCheck", text)
        except Exception as error:  # noqa: BLE001  whatever another server says must not take this one along
            return Finding("False", "FailedDiscoveryCheck", f"failing or missing response from {url}: {error}")
        try:
            await self._describe(remote)
        except Exception as error:  # noqa: BLE001  as above; it can be asked all the same
            log.info("%s has no OpenAPI to merge: %s", remote.name, error)
        return PASSED

    async def _discover(self, remote: Remote, resources: bytes) -> None:
        """Learn its resources, best from its aggregated discovery."""
        version: Json | None = None
        status, kind, body = await self._caller.get(remote, "/apis", OWN, ACCEPT, PATIENCE)
        if status == 200 and "APIGroupDiscoveryList" in kind:
            version = from_aggregated(orjson.loads(body), remote)
        self._learn(Known(remote, version or from_resources(orjson.loads(resources), remote), True))

    async def _describe(self, remote: Remote) -> None:
        """Learn its OpenAPI: where that of v3 is, and what that of v2 says of it. A server may do without."""
        key = (remote.group, remote.version)
        status, _, body = await self._caller.get(remote, "/openapi/v3", OWN, "application/json", PATIENCE)
        paths = orjson.loads(body).get("paths") if status == 200 else None
        path = ((paths or {}).get(remote.path.lstrip("/")) or {}).get("serverRelativeURL", "")
        if path != self.openapi.get(key, ""):
            self.openapi[key] = path
            self.generation += 1
        status, _, body = await self._caller.get(remote, "/openapi/v2", OWN, "application/json", PATIENCE)
        if status == 200 and self._described.get(key) != (seen := hash(body)):
            self._described[key], self.openapi2[key] = seen, part_of(orjson.loads(body), remote)
            self.generation += 1

    async def _write(self, remote: Remote, finding: Finding) -> None:
        served = self._backend.resources.get(GROUP, "v1", "apiservices")

        def status(old: Json) -> Json:
            del old["metadata"]["resourceVersion"]
            said = old.get("status") or {}
            conditions = with_condition(said.get("conditions") or (), "Available", *finding, self._backend.env.now())
            return {**old, "status": {**said, "conditions": conditions}}

        wanted = Change(served, "", remote.name, status, "status", own_rules=True)
        await change(self._backend, own_request("PUT", ""), wanted)


def _has_ready(slice: EndpointSlice, port: str) -> bool:
    named = any((each.name or "") == port for each in slice.ports)
    return named and any(each.conditions.ready is not False and each.addresses for each in slice.endpoints)
