"""What every Service port leads to: Services and EndpointSlices in, a table of fronts out.

A front is what a client addresses: an address, a port, a protocol. ClusterIP, NodePort, external and load balancer
addresses all become fronts, so a proxy mode knows nothing of Services. Which endpoints stand behind a front follows
kube-proxy: ready ones, of these the near ones where the endpoints' hints say so (KEP-3015); if there are none,
terminating ones that still serve (KEP-1669); only those of this node where the traffic policy says Local (docs:
"Service Internal Traffic Policy", "External Traffic Policy").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from podling.api.kinds.core.service import Service, ServicePort
from podling.api.kinds.discovery.endpointslice import Endpoint, EndpointSlice

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
OTHERS = frozenset(("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"))
"""Labels, whatever their value, by which a Service says that no proxy or another one cares for it."""
AFFINITY_SECONDS = 10_800

ServiceKey = tuple[str, str]
"""Namespace and name."""

Address = tuple[str, int]
"""Address and port of an endpoint."""


class Front(NamedTuple):
    """What a client addresses."""

    address: str
    port: int
    protocol: str


class Rule(msgspec.Struct, frozen=True, gc=False):
    """Where a front leads. No endpoints: the connection is refused."""

    endpoints: tuple[Address, ...] = ()
    affinity: int = 0
    """Seconds for which a client stays with its endpoint after its last connection; 0: any endpoint each time."""


class Place(NamedTuple):
    """Where this proxy runs."""

    node: str
    address: str
    """The node's InternalIP: where its NodePorts are, inside."""
    zone: str = ""
    """The node's label topology.kubernetes.io/zone."""


class Change(msgspec.Struct, frozen=True):
    """From one table to the next: fronts that are new or lead elsewhere, fronts that are gone."""

    set: Mapping[Front, Rule]
    removed: tuple[Front, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.removed)


def service_of(namespace: str, labels: Mapping[str, str]) -> ServiceKey | None:
    """The Service an EndpointSlice with these labels belongs to."""
    name = labels.get(SERVICE_NAME_LABEL)
    return (namespace, name) if name else None


def fronts_of(service: Service, slices: Iterable[EndpointSlice], place: Place) -> dict[Front, Rule]:
    """Everything one Service puts into the table of the node at `place`."""
    spec = service.spec
    if spec.type == "ExternalName" or spec.cluster_ip in ("", "None") or OTHERS & service.metadata.labels.keys():
        return {}
    affinity = _affinity(service)
    slices = [found for found in slices if found.address_type == "IPv4"]
    fronts: dict[Front, Rule] = {}
    for port in spec.ports:
        every, local = _endpoints(port, slices, place)
        inner = local if spec.internal_traffic_policy == "Local" else every
        outer = local if spec.external_traffic_policy == "Local" else every
        protocol = port.protocol or "TCP"
        for address in spec.cluster_ips or (spec.cluster_ip,):
            if ":" not in address:
                fronts[Front(address, port.port, protocol)] = Rule(inner, affinity)
        if port.node_port:
            fronts[Front(place.address, port.node_port, protocol)] = Rule(outer, affinity)
        for address in _external(service):
            fronts[Front(address, port.port, protocol)] = Rule(outer, affinity)
    return fronts


def _affinity(service: Service) -> int:
    spec = service.spec
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    return (config.client_ip.timeout_seconds if config and config.client_ip else None) or AFFINITY_SECONDS


def _external(service: Service) -> Iterator[str]:
    yield from (address for address in service.spec.external_ips if ":" not in address)
    for ingress in service.status.load_balancer.ingress:
        if ingress.ip and ":" not in ingress.ip and ingress.ip_mode != "Proxy":
            yield ingress.ip


def _endpoints(
    port: ServicePort, slices: Iterable[EndpointSlice], place: Place
) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """The endpoints of a port for clients of this node, and those that are on it."""
    every = list(_behind(port, slices))
    return _usable(_near(every, place)), _usable([found for found in every if found[0].node_name == place.node])


def _near(found: list[tuple[Endpoint, Address]], place: Place) -> list[tuple[Endpoint, Address]]:
    """Those hinted for this node, else for its zone; all, unless every ready one has a hint and some are for here."""
    ready = [each for each in found if each[0].conditions.ready in (True, None) and each[0].hints is not None]
    if not ready or any(each[0].hints is None for each in found if each[0].conditions.ready in (True, None)):
        return found
    for here, names_of in ((place.node, _node_hints), (place.zone, _zone_hints)):
        names = [names_of(each[0]) for each in ready]
        if all(names) and (near := [each for each, of in zip(ready, names, strict=True) if here in of]):
            return near
    return found


def _node_hints(endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(each.name for each in endpoint.hints.for_nodes) if endpoint.hints else ()


def _zone_hints(endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(each.name for each in endpoint.hints.for_zones) if endpoint.hints else ()


def _behind(port: ServicePort, slices: Iterable[EndpointSlice]) -> Iterator[tuple[Endpoint, Address]]:
    for found in slices:
        for slice_port in found.ports:
            if (slice_port.name or "") != port.name or not slice_port.port:
                continue
            if (slice_port.protocol or "TCP") != (port.protocol or "TCP"):
                continue
            for endpoint in found.endpoints:
                if endpoint.addresses:
                    yield endpoint, (endpoint.addresses[0], slice_port.port)


def _usable(found: list[tuple[Endpoint, Address]]) -> tuple[Address, ...]:
    """Ready ones, else terminating ones that still serve; each once, in a fixed order."""
    ready = {address for endpoint, address in found if endpoint.conditions.ready in (True, None)}
    if not ready:
        ready = {
            address for endpoint, address in found if endpoint.conditions.serving and endpoint.conditions.terminating
        }
    return tuple(sorted(ready))


class Table:
    """The fronts of all Services, kept incrementally.

    Two Services may claim one front (the same externalIP and port); the first one has it until it lets go.
    """

    def __init__(self) -> None:
        self.rules: dict[Front, Rule] = {}
        self._of_service: dict[ServiceKey, dict[Front, Rule]] = {}
        self._claims: dict[Front, list[ServiceKey]] = {}

    def update(self, key: ServiceKey, fronts: dict[Front, Rule]) -> Change:
        """What changes when Service `key` now has these fronts (none: it is gone)."""
        before = self._of_service.pop(key, {})
        if fronts:
            self._of_service[key] = fronts
        for front in fronts:
            claims = self._claims.setdefault(front, [])
            if key not in claims:
                claims.append(key)
        for front in before.keys() - fronts.keys():
            self._claims[front].remove(key)
        return self._settle([*before, *(front for front in fronts if front not in before)])

    def _settle(self, fronts: Iterable[Front]) -> Change:
        changed: dict[Front, Rule] = {}
        removed: list[Front] = []
        for front in fronts:
            claims = self._claims[front]
            if not claims:
                del self._claims[front]
                del self.rules[front]
                removed.append(front)
            elif (rule := self._of_service[claims[0]][front]) != self.rules.get(front):
                self.rules[front] = changed[front] = rule
        return Change(changed, tuple(removed))


class Changes:
    """Several changes, one after the other, as one."""

    def __init__(self) -> None:
        self._set: dict[Front, Rule] = {}
        self._removed: dict[Front, None] = {}

    def add(self, change: Change) -> None:
        for front in change.removed:
            self._set.pop(front, None)
            self._removed[front] = None
        for front, rule in change.set.items():
            self._removed.pop(front, None)
            self._set[front] = rule

    def all(self) -> Change:
        return Change(self._set, tuple(self._removed))
