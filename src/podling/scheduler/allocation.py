"""Devices of one node for the claims of one Pod: which requests get which, or that it cannot be. Pure.

Requests are filled one after the other with the first devices that fit, and taken back where a later one then finds
nothing: all of a Pod's claims are fulfilled or none. A search that grows too large ends as if there were nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from podling.api.cel import CelError
from podling.reconcile import devicetaints
from podling.scheduler.devices import Claim, Device, DeviceId, Devices, PoolId, expressions
from podling.scheduler.plugins import nodeaffinity
from podling.scheduler.snapshot import NodeFacts

Json = Mapping[str, Any]
MOST_RESULTS = 32
"""Devices that one claim can have."""
MOST_STEPS = 10_000


class Unallocatable(Exception):
    """Something is wrong with a claim or a class; says what."""


class Wish(msgspec.Struct, frozen=True):
    """One request of a claim, or one alternative of it; `name` is `request` or `request/alternative`."""

    claim: Claim
    name: str
    class_name: str
    selectors: tuple[str, ...]
    every: bool
    count: int
    tolerations: Sequence[Json]

    @property
    def request(self) -> str:
        return self.name.partition("/")[0]


class Given(msgspec.Struct, frozen=True):
    """A device for a wish."""

    wish: Wish
    device: Device


def allocate(
    claims: Sequence[Claim], node: NodeFacts, devices: Devices, taken: Collection[DeviceId]
) -> Sequence[Given] | None:
    """What each request gets on the node, of what is not `taken`; None where not all can get something.

    Raises Unallocatable.
    """
    search = _Search(node, devices, taken)
    requests = [(claim, request) for claim in claims for request in claim.requests]
    return next(search.fill(requests, ()), None)


def alternatives(claim: Claim, request: Json, devices: Devices) -> Iterator[Wish]:
    """What would fulfil a request, the dearest first. Raises Unallocatable."""
    exactly = request.get("exactly")
    for each in request.get("firstAvailable") or ():
        yield _wish(claim, f"{request['name']}/{each['name']}", each, devices)
    if exactly is not None:
        yield _wish(claim, request["name"], exactly, devices)


def _wish(claim: Claim, name: str, wanted: Json, devices: Devices) -> Wish:
    if wanted.get("adminAccess"):
        raise Unallocatable(
            f"claim {claim.key}, request {name}: admin access is requested, but the feature is disabled"
        )
    class_name = wanted["deviceClassName"]
    known = devices.classes.get(class_name)
    if known is None:
        raise Unallocatable(f"request {name}: device class {class_name} does not exist")
    selectors = (*known.selectors, *expressions(wanted))
    for index, each in enumerate(selectors):
        try:
            devices.selectors.compiled(each)
        except CelError as error:
            raise Unallocatable(f"claim {claim.key}, request {name}: CEL selector #{index}: {error}") from error
    every = wanted.get("allocationMode") == "All"
    return Wish(claim, name, class_name, selectors, every, wanted.get("count") or 1, wanted.get("tolerations") or ())


class _Search:
    """One search; `steps` bounds it."""

    def __init__(self, node: NodeFacts, devices: Devices, taken: Collection[DeviceId]) -> None:
        self._node, self._devices, self._taken = node, devices, taken
        self._found: dict[tuple[str, str], list[Device] | None] = {}
        self._steps = 0

    def fill(self, requests: Sequence[tuple[Claim, Json]], given: tuple[Given, ...]) -> Iterator[tuple[Given, ...]]:
        """All ways to fulfil these requests besides what is given already, the best first."""
        if not requests:
            yield given
            return
        (claim, request), rest = requests[0], requests[1:]
        for wish in alternatives(claim, request, self._devices):
            for chosen in self._ways(wish, given):
                yield from self.fill(rest, chosen)

    def _ways(self, wish: Wish, given: tuple[Given, ...]) -> Iterator[tuple[Given, ...]]:
        key = (wish.claim.key, wish.name)
        if key not in self._found:
            self._found[key] = self._candidates(wish)
        candidates = self._found[key]
        if candidates is None:
            return
        count = len(candidates) if wish.every else wish.count
        had = sum(each.wish.claim.key == wish.claim.key for each in given)
        if not count or had + count > MOST_RESULTS:
            return
        if wish.every and any(each.id in self._taken for each in candidates):
            return
        yield from self._choose(wish, candidates, count, given)

    def _choose(
        self, wish: Wish, candidates: Sequence[Device], count: int, given: tuple[Given, ...]
    ) -> Iterator[tuple[Given, ...]]:
        if not count:
            yield given
            return
        for index, device in enumerate(candidates):
            self._steps += 1
            if self._steps > MOST_STEPS or len(candidates) - index < count:
                return
            if self._fits(wish, device, given):
                yield from self._choose(wish, candidates[index + 1 :], count - 1, (*given, Given(wish, device)))

    def _candidates(self, wish: Wish) -> list[Device] | None:
        """Devices that are what the wish asks for, whoever has them; None where they are not known for certain."""
        found: list[Device] = []
        for pool in self._devices.pools_of(self._node.name):
            here = [each for each in pool.devices if self._is_here(each) and self._is_wanted(wish, each)]
            if here and not pool.complete:
                if wish.every:
                    return None
                continue
            found += here
        return found

    def _is_here(self, device: Device) -> bool:
        if device.place.node:
            return device.place.node == self._node.name
        return device.place.selector is None or nodeaffinity.selects(device.place.selector, self._node)

    def _is_wanted(self, wish: Wish, device: Device) -> bool:
        taints = (*device.taints, *devicetaints.by_rules(device.id, self._devices.rules.values()))
        if not device.usable or not all(_is_tolerated(taint, wish.tolerations) for taint in taints):
            return False
        for index, each in enumerate(wish.selectors):
            try:
                if not self._devices.selectors.matches(each, device.id, device.variables):
                    return False
            except CelError as error:
                where = f"claim {wish.claim.key}, request {wish.name}, device {'/'.join(device.id)}"
                raise Unallocatable(f"{where}: CEL selector #{index}: {error}") from error
        return True

    def _fits(self, wish: Wish, device: Device, given: tuple[Given, ...]) -> bool:
        if device.id in self._taken or any(each.device.id == device.id for each in given):
            return False
        mine = [each for each in given if each.wish.claim.key == wish.claim.key]
        constraints = wish.claim.constraints
        return all(_agrees(each, wish, device, mine) for each in constraints) and self._is_left(device, given)

    def _is_left(self, device: Device, given: tuple[Given, ...]) -> bool:
        """Of the counters that devices of a pool share, as much as this one consumes."""
        if not device.consumes:
            return True
        pool: PoolId = device.id[:2]
        others = [self._devices.device(id) for id in self._taken if id[:2] == pool]
        others += [each.device for each in given if each.device.id[:2] == pool]
        left = dict(self._devices.pools[pool].counters)
        for each in (*others, device):
            for group, name, amount in each.consumes if each is not None else ():
                left[group, name] = left.get((group, name), 0) - amount
        return all(left[group, name] >= 0 for group, name, _ in device.consumes)


def _agrees(constraint: Json, wish: Wish, device: Device, mine: Sequence[Given]) -> bool:
    """With the devices that the claim gets already."""
    named = constraint.get("requests") or ()

    def concerns(one: Wish) -> bool:
        return not named or one.name in named or one.request in named

    if not concerns(wish):
        return True
    same, apart = constraint.get("matchAttribute"), constraint.get("distinctAttribute")
    attribute = same or apart
    if not attribute:
        return True
    own = device.attributes.get(attribute)
    others = [each.device.attributes.get(attribute) for each in mine if concerns(each.wish)]
    if own is None:
        return False
    if same:
        return all(_equal(own, each) for each in others)
    return not any(_equal(own, each) for each in others)


def _equal(one: Any, other: Any) -> bool:
    """Values of different types are never equal, nor are true and 1."""
    return one.__class__ is other.__class__ and bool(one == other)


def _is_tolerated(taint: Json, tolerations: Sequence[Json]) -> bool:
    if taint.get("effect") not in ("NoSchedule", "NoExecute"):
        return True
    return any(devicetaints.tolerates(each, taint) for each in tolerations)


def results(claim: Claim, given: Sequence[Given], node: str, devices: Devices) -> dict[str, Any]:
    """What is written into the claim's status as its allocation."""
    mine = [each for each in given if each.wish.claim.key == claim.key]
    listed = []
    for each in mine:
        driver, pool, name = each.device.id
        result: dict[str, Any] = {"request": each.wish.name, "driver": driver, "pool": pool, "device": name}
        listed.append(result | ({"tolerations": list(each.wish.tolerations)} if each.wish.tolerations else {}))
    told: dict[str, Any] = {"results": listed}
    if config := _config(claim, mine, devices):
        told["config"] = config
    allocation: dict[str, Any] = {"devices": told}
    if selector := _selector(mine, node):
        allocation["nodeSelector"] = selector
    return allocation


def _config(claim: Claim, mine: Sequence[Given], devices: Devices) -> list[Json]:
    """First what the classes say, then what the claim says, so that this counts more."""
    wishes = dict.fromkeys((each.wish.name, each.wish.class_name) for each in mine)
    found: list[Json] = [
        {"source": "FromClass", "requests": [name], **each}
        for name, class_name in wishes
        for each in devices.classes[class_name].config
    ]
    names = {name for each in mine for name in (each.wish.name, each.wish.request)}
    for each in claim.config:
        if not each.get("requests") or names & set(each["requests"]):
            found.append({"source": "FromClaim", **each})
    return found


def _selector(mine: Sequence[Given], node: str) -> Json | None:
    """From which nodes all of the devices can be reached; None: from any."""
    if any(each.device.place.node for each in mine):
        return {"nodeSelectorTerms": [{"matchFields": [_in("metadata.name", node)]}]}
    selectors = [each.device.place.selector for each in mine if each.device.place.selector is not None]
    terms = [term for each in selectors for term in islice(each.node_selector_terms, 1)]
    if not terms:
        return None
    merged: dict[str, list[Json]] = {"matchExpressions": [], "matchFields": []}
    for term in terms:
        plain = msgspec.to_builtins(term)
        for key, found in merged.items():
            found += [each for each in plain.get(key) or () if each not in found]
    return {"nodeSelectorTerms": [{key: found for key, found in merged.items() if found}]}


def _in(key: str, value: str) -> Json:
    return {"key": key, "operator": "In", "values": [value]}


def ids(given: Sequence[Given], claim: Claim) -> tuple[DeviceId, ...]:
    return tuple(each.device.id for each in given if each.wish.claim.key == claim.key)
