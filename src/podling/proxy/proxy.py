"""The Service proxy of a node: follows Services and EndpointSlices, tells the mode what changed.

Events mark a Service dirty; one loop turns dirty Services into one change and applies it, so that a burst is one
transaction and a single event is in the rules milliseconds after it was committed. Ports for the host (NodePorts,
load balancer addresses in 127.0.0.0/8) are published by relays in either mode: they balance by themselves, which
keeps the client's affinity and gives a refused connection a second chance. `health.py` tells load balancers which
Services have Pods here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping

import msgspec

from podling.api.objects import Object
from podling.client.informer import Informers
from podling.client.resources import ENDPOINTSLICES, NODES, SERVICES
from podling.env import Env
from podling.network.publish import Listeners, Published, Publisher
from podling.network.relay import Balancer, Fixed
from podling.proxy.balancer import Permits, RoundRobin
from podling.proxy.health import HealthServers, health_of
from podling.proxy.hostports import LOOPBACK, HostPort
from podling.proxy.hostports import fronts_of as host_fronts_of
from podling.proxy.mode import Mode, ModeConfig, find_mode, mode_names
from podling.proxy.services import Change, Changes, Front, Place, Rule, ServiceKey, Table, fronts_of, service_of
from podling.supervise import Supervisor

log = logging.getLogger(__name__)

ZONE = "topology.kubernetes.io/zone"
_SLICE = 64
_HOST_PORTS = ""
"""Stands for the namespace where a key means a Pod's host ports; no namespace is called so."""
_AGAIN_SECONDS = 1.0
_PUBLISH_AGAIN_SECONDS = 5.0


class ProxyConfig(msgspec.Struct, frozen=True):
    """Where a proxy runs."""

    node: str
    node_ip: str
    services: str = "10.96.0.0/12"
    host_address: str = ""
    """The node's address in 127.0.0.0/8 on the host; empty: nothing is published there."""


class Applied(msgspec.Struct, frozen=True):
    """What is in force: the revisions up to which each resource has been seen, and what it took."""

    services: int = 0
    endpointslices: int = 0
    changes: int = 0
    seconds: float = 0.0
    """Duration of the last change."""


class Proxy:
    """`run` it; `switch` the mode at any time. Runs in the node's network namespace."""

    def __init__(
        self,
        informers: Informers,
        mode: str,
        env: Env,
        config: ProxyConfig,
        listeners: Listeners | None = None,
        permits: Permits | None = None,
    ) -> None:
        """`informers`: shared with others of the process, run by the caller. `listeners`: the keeper's client.
        `permits`: what NetworkPolicies say.

        Raises ValueError for an unknown mode, OSError for one that cannot work here.
        """
        self._env, self._config, self._listeners, self._permits = env, config, listeners, permits
        self._place = Place(config.node, config.node_ip)
        self._services, self._slices = informers.of(SERVICES), informers.of(ENDPOINTSLICES)
        self._nodes = informers.of(NODES)
        self._slices_of: dict[ServiceKey, dict[str, Object]] = {}
        self._table = Table()
        self._dirty: dict[ServiceKey, None] = {}
        self._host_ports: dict[ServiceKey, dict[Front, Rule]] = {}
        self._wake, self._moved, self._lock = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._tasks = Supervisor()
        self._mode, self._loopback = self._make(mode), self._make("userspace")
        self._publisher = Publisher(listeners, self._tasks, env) if listeners else None
        self._balancers: dict[Published, RoundRobin] = {}
        self._health = HealthServers(config.node_ip)
        self._unpublished = listeners is not None  # what an earlier process published may be wanted no more
        self.applied = Applied()

    @property
    def mode(self) -> str:
        return self._mode.name

    async def run(self) -> None:
        """Until cancelled; the kernel's rules stay for the next process, so that open connections live on."""
        self._services.on_change(self._on_service)
        self._slices.on_change(self._on_slice)
        self._nodes.on_change(self._on_node)
        for informer in (self._services, self._slices):
            informer.on_advance(self._wake.set)
            await informer.wait_synced()
        await self._clear_other_modes()
        try:
            async with self._tasks:
                self._tasks.start("proxy", self._follow())
                await self._tasks.wait()
        finally:
            self._mode.release()
            self._loopback.release()
            self._health.close()
            if self._publisher is not None:
                self._publisher.close()

    async def switch(self, mode: str) -> None:
        """Serve by another mode from now on. Raises ValueError or OSError; then the old one goes on."""
        async with self._lock:
            if mode == self._mode.name:
                return
            new = self._make(mode)
            try:
                await new.start(self._inside(self._table.rules))
            except OSError:
                await new.stop()
                raise
            old, self._mode = self._mode, new
            await old.stop()

    def open_host_ports(self, pod: str, ip: str, ports: Iterable[tuple[str, str, int, int]]) -> None:
        """The Pod of this uid, at this address, publishes (protocol, address, port, container's port) on the node; in
        place of what it published before."""
        key = (_HOST_PORTS, pod)
        self._host_ports[key] = host_fronts_of(map(HostPort._make, ports), ip, self._place, self._config.host_address)
        self._dirty[key] = None
        self._wake.set()

    def close_host_ports(self, pod: str) -> None:
        if self._host_ports.pop((_HOST_PORTS, pod), None) is not None:
            self._dirty[_HOST_PORTS, pod] = None
            self._wake.set()

    async def wait_applied(self, *, services: int = 0, endpointslices: int = 0) -> Applied:
        """Until everything up to these revisions is in force."""
        while self.applied.services < services or self.applied.endpointslices < endpointslices:
            self._moved.clear()
            await self._moved.wait()
        return self.applied

    async def _clear_other_modes(self) -> None:
        """What an earlier process left that ran in another mode."""
        for name in mode_names():
            if name != self._mode.name:
                with contextlib.suppress(OSError):  # a mode that cannot work here has left nothing
                    await self._make(name).stop()

    def _make(self, name: str) -> Mode:
        config = ModeConfig(self._env, self._tasks, self._config.services, self._config.node_ip, self._permits)
        return find_mode(name)(config)

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        for found in (old, new):
            if found is not None:
                self._dirty[(found.head.namespace, found.head.name)] = None

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        """The zone of our own node decides which endpoints are near."""
        zone = new.head.labels.get(ZONE, "") if new is not None else ""
        if new is not None and new.head.name == self._place.node and zone != self._place.zone:
            self._place = self._place._replace(zone=zone)
            self._dirty |= {(each.head.namespace, each.head.name): None for each in self._services.list()}
            self._wake.set()

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (key := service_of(old.head.namespace, old.head.labels)) is not None:
            self._dirty[key] = None
            self._slices_of.get(key, {}).pop(old.key, None)
        if new is not None and (key := service_of(new.head.namespace, new.head.labels)) is not None:
            self._dirty[key] = None
            self._slices_of.setdefault(key, {})[new.key] = new

    async def _follow(self) -> None:
        in_force = False
        while True:
            async with self._lock:
                try:
                    await self._apply(whole=not in_force)
                    in_force = True
                except OSError as error:
                    log.warning("proxy mode %s: %s; all rules again in %.0f s", self.mode, error, _AGAIN_SECONDS)
                    in_force = False
            if in_force:
                await self._wake.wait()
            else:
                await self._env.sleep(_AGAIN_SECONDS)

    async def _apply(self, *, whole: bool) -> None:
        self._wake.clear()
        began = self._env.monotonic()
        seen = self._services.revision, self._slices.revision
        change = await self._settle()
        self._note_published(change)
        if whole:
            await self._mode.start(self._inside(self._table.rules))
        elif change:
            await self._mode.apply(Change(self._inside(change.set), change.removed))
        await self._relay_loopback(change)
        if self._unpublished:
            await self._publish()
        seconds = self._env.monotonic() - began
        self.applied = Applied(*seen, self.applied.changes + bool(change or whole), seconds)
        self._moved.set()

    async def _relay_loopback(self, change: Change) -> None:
        """Host ports on the node's own loopback: relays in every mode, for the kernel translates nothing there."""
        rules = {front: rule for front, rule in change.set.items() if front.address == LOOPBACK}
        gone = tuple(front for front in change.removed if front.address == LOOPBACK)
        if rules or gone:
            try:
                await self._loopback.apply(Change(rules, gone))
            except OSError as error:
                log.warning("a host port on the node's loopback: %s", error)

    async def _settle(self) -> Change:
        """The change that all dirty Services make together, computed in slices."""
        changes = Changes()
        dirty, self._dirty = self._dirty, {}
        for number, key in enumerate(dirty, 1):
            changes.add(self._table.update(key, self._fronts(key)))
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        return changes.all()

    def _fronts(self, key: ServiceKey) -> dict[Front, Rule]:
        if key[0] == _HOST_PORTS:
            return self._host_ports.get(key, {})
        slices = self._slices_of.get(key)
        if slices is not None and not slices:
            del self._slices_of[key]
        service, views = self._services.get(*key), [found.view for found in (slices or {}).values()]
        told = health_of(service.view, views, self._place.node) if service is not None else None
        self._unpublished |= self._health.update(key, told)
        return fronts_of(service.view, views, self._place) if service is not None else {}

    @staticmethod
    def _inside(rules: Mapping[Front, Rule]) -> dict[Front, Rule]:
        """Without addresses of the host's loopback, which mean something else inside."""
        return {front: rule for front, rule in rules.items() if not front.address.startswith("127.")}

    def _note_published(self, change: Change) -> None:
        for front in change.removed:
            if (port := self._published_as(front)) is not None:
                self._unpublished |= self._balancers.pop(port, None) is not None
        for front, rule in change.set.items():
            if (port := self._published_as(front)) is None:
                continue
            if (balancer := self._balancers.get(port)) is not None and rule.endpoints:
                balancer.rule = rule
                continue
            self._unpublished = True
            self._balancers.pop(port, None)
            if rule.endpoints:
                self._balancers[port] = RoundRobin(rule, self._env)

    def _published_as(self, front: Front) -> Published | None:
        """The port on the host for a front that the host may reach: of the node itself, or of its host address."""
        host = self._config.host_address
        if self._publisher is None or not host or front.address not in (self._config.node_ip, host):
            return None
        return None if front.protocol == "SCTP" else Published(host, front.port, front.protocol)

    async def _publish(self) -> None:
        self._unpublished = False
        failures: list[str] = []
        try:
            await self._health.serve()
        except OSError as error:
            failures.append(f"no health of Services is told: {error}")
        if self._publisher is not None:
            refused = await self._publisher.reconcile({**self._balancers, **self._health_ports()})
            failures += [f"{p.protocol} port {p.address}:{p.port} is not published: {e}" for p, e in refused.items()]
        for failure in failures:
            log.warning("%s", failure)
        if failures:
            self._tasks.start("publish again", self._publish_again())

    def _health_ports(self) -> dict[Published, Balancer]:
        host, inside = self._config.host_address, self._config.node_ip
        return {Published(host, port, "TCP"): Fixed((inside, port)) for port in self._health.ports if host}

    async def _publish_again(self) -> None:
        await self._env.sleep(_PUBLISH_AGAIN_SECONDS)
        self._unpublished = True
        self._wake.set()
