"""NetworkPolicies: from policies, Pods and the labels of namespaces to who may speak to whom, in addresses.

A Pod that a policy selects for a direction is isolated in it: only what one of its policies allows passes. A
connection needs both ends' consent, so the two directions are judged apart (documentation, "Network Policies"). What
the node itself says to its Pods, and Pods to their node, is not for policies to forbid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, ip_network
from typing import Any, NamedTuple

from podling.api import labels
from podling.api.labels import Selector
from podling.proxy.services import Address

Json = Mapping[str, Any]
PolicyKey = tuple[str, str]
"""Namespace and name."""

LAST_PORT = 65_535


class Inhabitant(NamedTuple):
    """A Pod that has an address of its own, as policies see it."""

    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: tuple[tuple[str, str, int], ...] = ()
    """Name, protocol and number of what its containers declare."""


class Ports(NamedTuple):
    """Ports from `first` to `last` of a protocol."""

    protocol: str
    first: int = 1
    last: int = LAST_PORT


class Door(NamedTuple):
    """A named port at one address."""

    protocol: str
    address: str
    port: int


class Peers(NamedTuple):
    """Pods by their addresses, others by networks that do not overlap."""

    pods: tuple[str, ...]
    networks: tuple[IPv4Network, ...]


class Allowance(NamedTuple):
    """What one rule lets pass."""

    peers: Peers | None
    """None: everybody."""
    ports: tuple[Ports, ...] | None
    """Of the receiving Pod; None: all, of every protocol."""
    doors: tuple[Door, ...] = ()
    """Let pass beside `ports`."""


class Side(NamedTuple):
    """One direction."""

    isolated: Mapping[str, tuple[PolicyKey, ...]]
    """Address of a Pod → the policies that may let something pass."""
    allowed: Mapping[PolicyKey, tuple[Allowance, ...]]


class Judgement(NamedTuple):
    ingress: Side = Side({}, {})
    egress: Side = Side({}, {})


def judge(
    policies: Mapping[PolicyKey, Json], inhabitants: Sequence[Inhabitant], namespaces: Mapping[str, Mapping[str, str]]
) -> Judgement:
    """`policies`: JSON of NetworkPolicies. `namespaces`: their labels by name."""
    world = _World(inhabitants, namespaces)
    sides = (_side(direction, peers, policies, world) for direction, peers in (("Ingress", "from"), ("Egress", "to")))
    return Judgement(*sides)


def permits(judgement: Judgement, source: str, target: Address, protocol: str) -> bool:
    """Whether a connection from one address to another passes; for relays, which the kernel takes for the node."""
    if source == target[0]:
        return True
    return _passes(judgement.egress, source, target[0], target, protocol) and _passes(
        judgement.ingress, target[0], source, target, protocol
    )


def _passes(side: Side, own: str, peer: str, target: Address, protocol: str) -> bool:
    keys = side.isolated.get(own)
    if keys is None:
        return True
    return any(_lets(each, peer, target, protocol) for key in keys for each in side.allowed[key])


def _lets(allowance: Allowance, peer: str, target: Address, protocol: str) -> bool:
    if (peers := allowance.peers) is not None and peer not in peers.pods:
        address = IPv4Address(peer)
        if not any(address in network for network in peers.networks):
            return False
    if allowance.ports is None or Door(protocol, *target) in allowance.doors:
        return True
    return any(each.protocol == protocol and each.first <= target[1] <= each.last for each in allowance.ports)


class _World:
    def __init__(self, inhabitants: Sequence[Inhabitant], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self.inhabitants, self._namespaces = inhabitants, namespaces
        self._of: dict[str, list[Inhabitant]] = {}
        for each in inhabitants:
            self._of.setdefault(each.namespace, []).append(each)

    def chosen(self, pods: Selector, namespaces: Selector | str) -> Iterator[Inhabitant]:
        """The Pods that match, of the namespaces that match, or of the one of this name."""
        if isinstance(namespaces, str):
            names: Iterable[str] = (namespaces,)
        else:
            names = (name for name in self._of if namespaces.matches(self._namespaces.get(name, {})))
        found = (each for name in names for each in self._of.get(name, ()))
        return (each for each in found if pods.matches(each.labels)) if pods else found


def _side(direction: str, peers: str, policies: Mapping[PolicyKey, Json], world: _World) -> Side:
    isolated: dict[str, tuple[PolicyKey, ...]] = {}
    allowed: dict[PolicyKey, tuple[Allowance, ...]] = {}
    for key in sorted(policies):
        spec = policies[key].get("spec") or {}
        if direction not in (spec.get("policyTypes") or ("Ingress",)):
            continue
        selected = list(world.chosen(labels.of(spec.get("podSelector") or {}), key[0]))
        if not selected:
            continue
        for each in selected:
            isolated[each.address] = (*isolated.get(each.address, ()), key)
        receivers = selected if direction == "Ingress" else world.inhabitants
        rules = spec.get(direction.lower()) or ()
        found = (_allowance(rule, rule.get(peers) or (), key[0], receivers, world) for rule in rules)
        allowed[key] = tuple(each for each in found if each is not None)
    return Side(isolated, allowed)


def _allowance(
    rule: Json, peers: Sequence[Json], namespace: str, receivers: Iterable[Inhabitant], world: _World
) -> Allowance | None:
    """None where the rule lets nothing pass."""
    found = _peers(peers, namespace, world) if peers else None
    if found == ((), ()):
        return None
    wanted = rule.get("ports") or ()
    if not wanted:
        return Allowance(found, None)
    ports = _merged(_numbered(port) for port in wanted if not isinstance(port.get("port"), str))
    names = {(port["port"], port.get("protocol") or "TCP") for port in wanted if isinstance(port.get("port"), str)}
    doors = {
        Door(protocol, each.address, number)
        for each in (receivers if names else ())
        for name, protocol, number in each.ports
        if (name, protocol) in names
    }
    return Allowance(found, ports, tuple(sorted(doors))) if ports or doors else None


def _peers(peers: Iterable[Json], namespace: str, world: _World) -> Peers:
    addresses: set[str] = set()
    networks: list[IPv4Network] = []
    for peer in peers:
        if (block := peer.get("ipBlock")) is not None:
            networks += _block(block)
            continue
        wanted = peer.get("namespaceSelector")
        pods = labels.of(peer.get("podSelector") or {})
        chosen = world.chosen(pods, namespace if wanted is None else labels.of(wanted))
        addresses.update(each.address for each in chosen)
    return Peers(tuple(sorted(addresses)), tuple(collapse_addresses(networks)))


def _block(block: Json) -> Iterator[IPv4Network]:
    """The network without its exceptions; those of version six have nobody here."""
    whole = ip_network(block.get("cidr", ""), strict=False)
    if not isinstance(whole, IPv4Network):
        return
    left = [whole]
    for text in block.get("except") or ():
        exception = ip_network(text, strict=False)
        if isinstance(exception, IPv4Network):
            left = [part for each in left for part in _without(each, exception)]
    yield from left


def _without(network: IPv4Network, exception: IPv4Network) -> Iterable[IPv4Network]:
    if network.subnet_of(exception):
        return ()
    return network.address_exclude(exception) if exception.subnet_of(network) else (network,)


def _numbered(port: Json) -> Ports:
    protocol, number = port.get("protocol") or "TCP", port.get("port")
    return Ports(protocol) if number is None else Ports(protocol, number, port.get("endPort") or number)


def _merged(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """Sorted, and none touches another: nftables takes no overlapping intervals."""
    out: list[Ports] = []
    for each in sorted(ports):
        if out and out[-1].protocol == each.protocol and each.first <= out[-1].last + 1:
            out[-1] = out[-1]._replace(last=max(out[-1].last, each.last))
        else:
            out.append(each)
    return tuple(out)
