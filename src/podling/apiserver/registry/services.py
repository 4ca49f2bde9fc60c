"""Cluster addresses and node ports of Services, as claims in the store.

A claim is one key created if absent (DESIGN 10): an IPAddress object for an address, a key of our own for a port. So
two servers on one store cannot give the same twice, and nothing has to be rebuilt in memory at a start. A claim taken
for a write that fails is given back; what a crash leaves behind is repaired when the server starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import orjson

from podling.api.errors import Cause, Invalid, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.objects import Object, prefix_of
from podling.apiserver.registry.heads import INTERNAL
from podling.apiserver.registry.served import Served
from podling.env import Env, rfc3339
from podling.storage.interface import Changed, KeyExists, KeyNotFound, StorageError
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]

ADDRESSES = prefix_of("networking.k8s.io", "ipaddresses")
RANGES = prefix_of("networking.k8s.io", "servicecidrs")
PORTS = f"{INTERNAL}nodeports/"
_NOTHING: AbstractAsyncContextManager[None] = contextlib.nullcontext()


class Allocator:
    """Claims for the Services that are written."""

    def __init__(self, cache: WatchCache, env: Env, cidr: str, ports: tuple[int, int]) -> None:
        self.cache, self.env = cache, env
        self._ranges = Ranges(cache, ipaddress.IPv4Network(cidr))
        self.ports = ports

    def creating(self, served: Served, hub: Json) -> AbstractAsyncContextManager[Any]:
        """Around the write of a new object: fills in what is allotted, gives it back if the write fails."""
        return Claims(self, hub, {}) if _is_service(served) else _NOTHING

    def updating(self, served: Served, new: Json, current: Object) -> AbstractAsyncContextManager[Any]:
        """Around the write of a change: claims what is new, afterwards frees what is no longer used."""
        return Claims(self, new, current.json()) if _is_service(served) else _NOTHING

    async def deleted(self, served: Served, gone: Object) -> None:
        """Free what a deleted Service held."""
        if _is_service(served):
            owner = f"{gone.head.namespace}/{gone.head.name}"
            for key in claims_of(orjson.loads(gone.raw)):
                await self.free(key, owner)
        elif served.kind.kind == "IPAddress" and served.kind.group == "networking.k8s.io":
            await self._take_back(gone)

    async def _take_back(self, gone: Object) -> None:
        """The object of an address that a Service goes on using comes back, or somebody else would be given it."""
        owner = _owner_of(orjson.loads(gone.raw))
        holder = self.cache.get(f"{prefix_of('', 'services')}{owner}") if owner else None
        if holder is not None and gone.key in claims_of(orjson.loads(holder.raw)):
            await self.take(gone.key, owner)

    async def take(self, key: str, owner: str) -> bool:
        """Claim one key; False where another has it."""
        if self.cache.get(key) is not None:
            return False
        try:
            await self.cache.create(key, self._claim(key, owner))
        except KeyExists:
            return False
        return True

    async def free(self, key: str, owner: str) -> None:
        """Give one claim back, if `owner` holds it."""
        found = self.cache.get(key)
        if found is None or _owner_of(orjson.loads(found.raw)) != owner:
            return
        # Changed or gone meanwhile: then it is no longer ours to free.
        with contextlib.suppress(Changed, KeyNotFound):
            await self.cache.delete(key, expect=found.revision)

    async def repair(self) -> None:
        """Claims without a Service go, Services without their claims get them: after a crash between two writes."""
        wanted: dict[str, str] = {}
        for obj in self.cache.list(prefix_of("", "services")):
            for key in claims_of(orjson.loads(obj.raw)):
                wanted.setdefault(key, f"{obj.head.namespace}/{obj.head.name}")
        for claim in (*self.cache.list(ADDRESSES), *self.cache.list(PORTS)):
            owner = _owner_of(orjson.loads(claim.raw))
            if owner and wanted.get(claim.key) != owner:
                await self.free(claim.key, owner)
        for key, owner in wanted.items():
            await self.take(key, owner)

    def _claim(self, key: str, owner: str) -> bytes:
        name = key.rpartition("/")[2]
        if key.startswith(PORTS):
            return orjson.dumps({"metadata": {"name": name}, "service": owner})
        namespace, _, service = owner.partition("/")
        labels = {
            "ipaddress.kubernetes.io/ip-family": "IPv4",
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }
        metadata = {
            "name": name,
            "uid": self.env.uid(),
            "creationTimestamp": rfc3339(self.env.now()),
            "labels": labels,
        }
        parent = {"group": "", "resource": "services", "namespace": namespace, "name": service}
        address = {"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1", "metadata": metadata}
        return orjson.dumps(address | {"spec": {"parentRef": parent}})

    def has_address(self, address: str) -> bool:
        """Whether it lies in a range that addresses are given out from."""
        try:
            wanted = ipaddress.IPv4Address(address)
        except ValueError:
            return False
        return any(wanted in network for network in self._ranges.ready())

    def free_addresses(self) -> Iterator[str]:
        """Addresses of each range from a random place on; its first ones are kept for those who ask by name
        (KEP-3070)."""
        for network in self._ranges.ready():
            size = network.num_addresses
            reserved = min(max(16, size // 16), 256)
            first, count = int(network.network_address), size - 2
            for number in self._from_random_place(count, reserved):
                yield str(ipaddress.IPv4Address(first + 1 + number))

    def free_ports(self) -> Iterator[int]:
        """The same for node ports (KEP-3668)."""
        low, high = self.ports
        count = high - low + 1
        reserved = min(max(16, count // 32), 128)
        for number in self._from_random_place(count, reserved):
            yield low + number

    def _from_random_place(self, count: int, reserved: int) -> Iterator[int]:
        reserved = min(reserved, count)
        upper = count - reserved
        start = int(self.env.chance() * upper) if upper else 0
        for step in range(upper):
            yield reserved + (start + step) % upper
        yield from range(reserved)


class Ranges:
    """The ranges that addresses come from: every ServiceCIDR that is ready and not about to go (KEP-1880)."""

    def __init__(self, cache: WatchCache, first: ipaddress.IPv4Network) -> None:
        """`first` is the server's own range, which counts before its object is there."""
        self._cache, self._first = cache, first
        self._known: tuple[Sequence[Object], tuple[ipaddress.IPv4Network, ...]] = ((), (first,))

    def ready(self) -> tuple[ipaddress.IPv4Network, ...]:
        """The server's own range first."""
        objects, networks = self._known
        found = self._cache.list(RANGES)
        if len(found) != len(objects) or any(one is not other for one, other in zip(found, objects, strict=True)):
            more = {network: None for obj in found for network in _networks(orjson.loads(obj.raw))}
            own = {} if any(obj.head.name == "kubernetes" for obj in found) else {self._first: None}
            networks = tuple(sorted({**own, **more}, key=lambda network: network != self._first))
            self._known = (found, networks)
        return networks


def _networks(cidr: Mapping[str, Any]) -> Iterator[ipaddress.IPv4Network]:
    conditions = (cidr.get("status") or {}).get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    if not ready or cidr["metadata"].get("deletionTimestamp"):
        return
    for text in (cidr.get("spec") or {}).get("cidrs") or ():
        if ":" not in text:
            yield ipaddress.IPv4Network(text, strict=False)


class Claims:
    """The claims of one write of one Service, as a context around it."""

    def __init__(self, allocator: Allocator, hub: Json, old: Mapping[str, Any]) -> None:
        self._allocator, self._hub, self._old = allocator, hub, old
        metadata = hub["metadata"]
        self._name = metadata["name"]
        self._owner = f"{metadata['namespace']}/{metadata['name']}"
        self._held = set(claims_of(old)) if old else set()
        self._taken: list[str] = []

    async def __aenter__(self) -> None:
        try:
            spec = self._hub.setdefault("spec", {})
            await self._addresses(spec)
            await self._ports(spec)
        except Exception:
            await self._undo()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            return  # the server stops: nobody knows what was stored, the next start's repair finds out
        if error is not None:
            await self._undo()
            return
        for key in sorted(self._held - set(claims_of(self._hub))):
            await self._allocator.free(key, self._owner)

    async def _undo(self) -> None:
        for key in self._taken:
            # The claim stays behind if the store has failed; the repair at the next start finds it.
            with contextlib.suppress(StorageError):
                await self._allocator.free(key, self._owner)

    async def _addresses(self, spec: Json) -> None:
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return
        self._families(spec)
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if asked and asked != "None":
            await self._this_address(asked)
        elif not asked:
            asked = await self._any_address()
        spec["clusterIP"], spec["clusterIPs"] = asked, [asked]

    def _families(self, spec: Json) -> None:
        """A cluster of ours has one family. Raises Invalid where a Service needs another."""
        wrong: list[Cause] = []
        if spec.get("ipFamilyPolicy") == "RequireDualStack":
            text = "this cluster is not configured for dual-stack services"
            wrong.append(invalid_value("spec.ipFamilyPolicy", "RequireDualStack", text))
        for index, family in enumerate(spec.get("ipFamilies") or ()):
            if family != "IPv4":
                wrong.append(invalid_value(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
        if wrong:
            raise invalid("Service", self._name, wrong)

    async def _this_address(self, address: str) -> None:
        if not self._allocator.has_address(address):
            why = f"failed to allocate IP {address}: the provided network does not match the current range"
            raise self._refused("spec.clusterIPs", [address], why)
        if not await self._take(f"{ADDRESSES}{address}"):
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            raise self._refused("spec.clusterIPs", [address], why)

    async def _any_address(self) -> str:
        for address in self._allocator.free_addresses():
            if await self._take(f"{ADDRESSES}{address}"):
                return address
        raise self._refused("spec.clusterIPs", [], "failed to allocate a serviceIP: range is full")

    async def _ports(self, spec: Json) -> None:
        if spec.get("type") not in ("NodePort", "LoadBalancer"):
            return
        if spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            wanting = [(i, port) for i, port in enumerate(spec.get("ports") or ()) if port.get("nodePort")]
        else:
            wanting = list(enumerate(spec.get("ports") or ()))
        # Those that are asked for come first, so that a random choice does not take them away.
        for index, port in wanting:
            if port.get("nodePort"):
                await self._this_port(f"spec.ports[{index}].nodePort", port["nodePort"])
        given: dict[int, int] = {}
        for _, port in wanting:
            if not port.get("nodePort"):
                # One number for a port in several protocols, as DNS wants it.
                port["nodePort"] = given.get(port["port"]) or await self._any_port()
                given[port["port"]] = port["nodePort"]
        if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            if not spec.get("healthCheckNodePort"):
                spec["healthCheckNodePort"] = await self._any_port()
            else:
                await self._this_port("spec.healthCheckNodePort", spec["healthCheckNodePort"])

    async def _this_port(self, field: str, port: int) -> None:
        low, high = self._allocator.ports
        if not low <= port <= high:
            why = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
            raise self._refused(field, port, why)
        if not await self._take(f"{PORTS}{port}"):
            raise self._refused(field, port, "provided port is already allocated")

    async def _any_port(self) -> int:
        for port in self._allocator.free_ports():
            if await self._take(f"{PORTS}{port}"):
                return port
        raise self._refused("spec.ports", [], "failed to allocate a nodePort: range is full")

    async def _take(self, key: str) -> bool:
        """True also for what this Service holds already or took a moment ago (one port, two protocols)."""
        if key in self._held or key in self._taken:
            return True
        if not await self._allocator.take(key, self._owner):
            return False
        self._taken.append(key)
        return True

    def _refused(self, field: str, value: Any, why: str) -> Invalid:
        cause: Cause = invalid_value(field, value, why)
        return invalid("Service", self._name, [cause])


def claims_of(service: Mapping[str, Any]) -> list[str]:
    """The keys of the claims a stored Service lives on."""
    spec = service.get("spec") or {}
    keys = [f"{ADDRESSES}{address}" for address in spec.get("clusterIPs") or () if address != "None"]
    ports = [port.get("nodePort") for port in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
    return keys + [f"{PORTS}{port}" for port in dict.fromkeys(ports) if port]


def _owner_of(claim: Mapping[str, Any]) -> str:
    """`namespace/name` of the Service; empty for an IPAddress that somebody else made."""
    if "service" in claim:
        return str(claim["service"])
    parent = (claim.get("spec") or {}).get("parentRef") or {}
    return f"{parent.get('namespace', '')}/{parent.get('name', '')}" if parent.get("resource") == "services" else ""


def _is_service(served: Served) -> bool:
    return served.kind.kind == "Service" and not served.kind.group
