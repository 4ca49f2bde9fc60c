"""NetworkPolicies, judged: who may speak to whom, in addresses.

A Pod that a policy selects for a direction is isolated in it: only what one of its policies allows passes. A
connection needs both ends' consent, so the two directions are judged apart (documentation, "Network Policies"). What
the node itself says to its Pods, and Pods to their node, is not for policies to forbid.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from podling.proxy.services import Address

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
    """Address of a Pod → the policies that may let something pass, in order."""
    allowed: Mapping[PolicyKey, tuple[Allowance, ...]]


class Judgement(NamedTuple):
    ingress: Side = Side({}, {})
    egress: Side = Side({}, {})


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
