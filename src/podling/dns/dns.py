"""The DNS of the cluster, run by each node process at the node's InternalIP.

It follows Services and EndpointSlices and keeps the resolver's zone equal to them. The Service kube-system/kube-dns
leads to it; `manifests.py` gives its objects.
"""

from __future__ import annotations

import asyncio

import msgspec

from podling.api.objects import Object
from podling.client.informer import Informers
from podling.client.resources import ENDPOINTSLICES, SERVICES
from podling.dns.resolver import Resolver, ServiceKey
from podling.dns.server import Server

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_SLICE = 64


class DnsConfig(msgspec.Struct, frozen=True):
    """Where it listens, for which names it answers."""

    address: str
    port: int = 53
    domain: str = "cluster.local"
    service_address: str = "10.96.0.10"


class Dns:
    """`run` it; `wait_ready` until it answers."""

    def __init__(self, informers: Informers, config: DnsConfig) -> None:
        """`informers`: shared with others of the process, run by the caller."""
        self._config = config
        self._services, self._slices = informers.of(SERVICES), informers.of(ENDPOINTSLICES)
        self._slices_of: dict[ServiceKey, dict[str, Object]] = {}
        self._dirty: dict[ServiceKey, None] = {}
        self._wake, self._ready = asyncio.Event(), asyncio.Event()
        self.resolver = Resolver(config.domain, config.service_address)
        self.server = Server(self.resolver)
        self.port = config.port

    async def wait_ready(self) -> None:
        """Until it listens and knows every Service there is."""
        await self._ready.wait()

    async def run(self) -> None:
        """Until cancelled. Raises OSError if the address cannot be had."""
        self._services.on_change(self._on_service)
        self._slices.on_change(self._on_slice)
        for informer in (self._services, self._slices):
            informer.on_advance(self._wake.set)
            await informer.wait_synced()
        await self._settle()
        self.port = await self.server.start(self._config.address, self._config.port)
        self._ready.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._settle()
        finally:
            self.server.close()

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        for found in (old, new):
            if found is not None:
                self._dirty[(found.head.namespace, found.head.name)] = None

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for found in (old, new):
            if found is not None and (name := found.head.labels.get(_SERVICE_NAME_LABEL)):
                self._dirty[(found.head.namespace, name)] = None
        if old is not None and (name := old.head.labels.get(_SERVICE_NAME_LABEL)):
            self._slices_of.get((old.head.namespace, name), {}).pop(old.key, None)
        if new is not None and (name := new.head.labels.get(_SERVICE_NAME_LABEL)):
            self._slices_of.setdefault((new.head.namespace, name), {})[new.key] = new

    async def _settle(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for number, key in enumerate(dirty, 1):
            service = self._services.get(*key)
            slices = self._slices_of.get(key, {})
            if not slices:
                self._slices_of.pop(key, None)
            self.resolver.update(key, service.view if service else None, [found.view for found in slices.values()])
            if number % _SLICE == 0:
                await asyncio.sleep(0)
