"""What the scheduler knows of devices: slices of them, their classes, claims for them, and who has which. Pure.

Read from the API's JSON once per revision. What was chosen for a claim is *assumed* to be its until the API says so,
so that the next decision does not choose it too. (Kubernetes documentation, "Dynamic Resource Allocation".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podling.api import quantity
from podling.api.cel.functions.amounts import Amount, read_version
from podling.api.kinds.core.scheduling import NodeSelector
from podling.scheduler.deviceselectors import Selectors

Json = Mapping[str, Any]
DeviceId = tuple[str, str, str]
"""Driver, pool, name."""
PoolId = tuple[str, str]
FINALIZER = "resource.kubernetes.io/delete-protection"
"""Of a claim that is allocated."""
MOST_USERS = 256
"""Pods for which one claim may be reserved."""


class Place(msgspec.Struct, frozen=True):
    """From where a device can be reached: one node, those a selector finds, or all."""

    node: str = ""
    selector: NodeSelector | None = None


class Device(msgspec.Struct, frozen=True):
    """`variables` is what expressions see as `device`; attributes are known by their whole names."""

    id: DeviceId
    place: Place
    attributes: Mapping[str, Any]
    variables: Mapping[str, Any]
    taints: Sequence[Json] = ()
    consumes: tuple[tuple[str, str, int], ...] = ()
    """Counter set, counter and how much of it (nano-units)."""
    usable: bool = True
    """It needs nothing that is not supported."""


class Slice(msgspec.Struct, frozen=True):
    """A ResourceSlice: some devices of a pool."""

    pool: PoolId
    generation: int
    slices: int
    """Of which the pool consists in this generation."""
    devices: tuple[Device, ...]
    counters: Mapping[tuple[str, str], int] = {}


class Pool(msgspec.Struct, frozen=True):
    """The newest generation of a pool."""

    complete: bool
    devices: tuple[Device, ...]
    counters: Mapping[tuple[str, str], int]


class Claim(msgspec.Struct, frozen=True):
    """A ResourceClaim; `key` is namespace/name."""

    key: str
    uid: str
    owner: str
    """uid of the Pod that controls it; "" where it was not made for one."""
    deleting: bool
    requests: Sequence[Json]
    constraints: Sequence[Json]
    config: Sequence[Json]
    allocation: Json | None
    devices: tuple[DeviceId, ...]
    """What is allocated to it."""
    selector: NodeSelector | None
    reserved: frozenset[str]
    """uids of the Pods that may use it."""


class Class(msgspec.Struct, frozen=True):
    selectors: tuple[str, ...]
    config: Sequence[Json]


class Devices:
    """All of them, by name or key; changed by the scheduler's shell only."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.classes: dict[str, Class] = {}
        self.rules: dict[str, Json] = {}
        """The specs of DeviceTaintRules."""
        self.selectors = Selectors()
        self.assumed: dict[str, tuple[DeviceId, ...]] = {}
        """By claim: what was chosen for it a moment ago."""
        self._slices: dict[str, Slice] = {}
        self._pools: dict[PoolId, Pool] | None = None
        self._by_id: dict[DeviceId, Device] = {}
        self._local: dict[str, list[Pool]] = {}
        self._shared: list[Pool] = []

    def set_slice(self, name: str, slice_: Slice | None) -> None:
        """None: it is gone."""
        if slice_ is None:
            self._slices.pop(name, None)
        else:
            self._slices[name] = slice_
        self._pools = None

    @property
    def pools(self) -> Mapping[PoolId, Pool]:
        if self._pools is None:
            self._pools = _pools(self._slices.values())
            self._by_id = {each.id: each for pool in self._pools.values() for each in pool.devices}
            self._local, self._shared = {}, []
            for pool in self._pools.values():
                for place in dict.fromkeys(each.place.node for each in pool.devices):
                    (self._local.setdefault(place, []) if place else self._shared).append(pool)
        return self._pools

    def pools_of(self, node: str) -> Sequence[Pool]:
        """Those with a device that is the node's, or no single node's."""
        return [*self._local.get(node, ()), *self._shared] if self.pools else ()

    def device(self, id: DeviceId) -> Device | None:
        """One of the newest generation."""
        return self._by_id.get(id) if self.pools is not None else None

    def taken(self) -> set[DeviceId]:
        """What claims have or are about to have."""
        found = {id for claim in self.claims.values() for id in claim.devices}
        return found.union(*self.assumed.values())


def _pools(slices: Any) -> dict[PoolId, Pool]:
    newest: dict[PoolId, list[Slice]] = {}
    for each in slices:
        known = newest.setdefault(each.pool, [])
        if known and known[0].generation > each.generation:
            continue
        if known and known[0].generation < each.generation:
            known.clear()
        known.append(each)
    return {
        pool: Pool(
            complete=len(parts) == parts[0].slices,
            devices=tuple(device for part in parts for device in part.devices),
            counters={counter: amount for part in parts for counter, amount in part.counters.items()},
        )
        for pool, parts in newest.items()
    }


def slice_of(obj: Json) -> Slice:
    spec = obj["spec"]
    pool = (spec["driver"], spec["pool"]["name"])
    whole = _place(spec)
    counters = {
        (group["name"], name): quantity.of(counter["value"]).nano
        for group in spec.get("sharedCounters") or ()
        for name, counter in (group.get("counters") or {}).items()
    }
    devices = tuple(_device(pool, each, whole) for each in spec.get("devices") or ())
    return Slice(pool, spec["pool"].get("generation", 0), spec["pool"].get("resourceSliceCount", 1), devices, counters)


def _device(pool: PoolId, obj: Json, whole: Place | None) -> Device:
    driver = pool[0]
    attributes = {_whole(name, driver): _plain(value) for name, value in (obj.get("attributes") or {}).items()}
    capacity = {
        _whole(name, driver): Amount(quantity.of(each["value"])) for name, each in (obj.get("capacity") or {}).items()
    }
    consumes = tuple(
        (group["counterSet"], name, quantity.of(counter["value"]).nano)
        for group in obj.get("consumesCounters") or ()
        for name, counter in (group.get("counters") or {}).items()
    )
    place = whole or _place(obj)
    variables = {
        "driver": driver,
        "attributes": _domains(attributes),
        "capacity": _domains(capacity),
        "allowMultipleAllocations": bool(obj.get("allowMultipleAllocations")),
    }
    usable = place is not None and not obj.get("bindingConditions")
    taints = obj.get("taints") or ()
    return Device((*pool, obj["name"]), place or Place(), attributes, variables, taints, consumes, usable)


def _place(obj: Json) -> Place | None:
    """Of a slice, or of a device where the slice leaves it to its devices."""
    if obj.get("nodeName"):
        return Place(obj["nodeName"])
    if obj.get("nodeSelector"):
        return Place(selector=msgspec.convert(obj["nodeSelector"], NodeSelector))
    return Place() if obj.get("allNodes") else None


def _whole(name: str, driver: str) -> str:
    """A name without a domain is in that of its driver."""
    return name if "/" in name else f"{driver}/{name}"


def _plain(value: Json) -> Any:
    """An attribute has one of four types."""
    if "version" in value:
        return read_version(value["version"])
    return next(iter(value.values()), None)


class _Domains(dict[str, Mapping[str, Any]]):
    """A domain that a device says nothing about is empty, not an error."""

    def __missing__(self, key: str) -> Mapping[str, Any]:
        return {}


def _domains(values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        domain, _, rest = name.partition("/")
        found.setdefault(domain, {})[rest] = value
    return _Domains(found)


def claim_of(obj: Json) -> Claim:
    meta, status = obj["metadata"], obj.get("status") or {}
    wanted = (obj.get("spec") or {}).get("devices") or {}
    allocation = status.get("allocation")
    given = ((allocation or {}).get("devices") or {}).get("results") or ()
    selector = (allocation or {}).get("nodeSelector")
    owners = [each["uid"] for each in meta.get("ownerReferences") or () if each.get("controller")]
    return Claim(
        key=f"{meta['namespace']}/{meta['name']}",
        uid=meta.get("uid", ""),
        owner=next(iter(owners), ""),
        deleting=bool(meta.get("deletionTimestamp")),
        requests=wanted.get("requests") or (),
        constraints=wanted.get("constraints") or (),
        config=wanted.get("config") or (),
        allocation=allocation,
        devices=tuple((each["driver"], each["pool"], each["device"]) for each in given if not each.get("adminAccess")),
        selector=msgspec.convert(selector, NodeSelector) if selector else None,
        reserved=frozenset(each["uid"] for each in status.get("reservedFor") or ()),
    )


def class_of(obj: Json) -> Class:
    spec = obj.get("spec") or {}
    return Class(expressions(spec), spec.get("config") or ())


def expressions(obj: Json) -> tuple[str, ...]:
    """The selectors of a class or of a request."""
    return tuple(each["cel"]["expression"] for each in obj.get("selectors") or () if each.get("cel"))
