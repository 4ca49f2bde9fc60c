"""A NetworkPolicy as it is read once: selectors, networks and ports in the shape they are asked in.

Reading costs as much as looking through a hundred Pods, and a policy changes a thousand times less often than Pods do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any, NamedTuple

from podling.api import labels
from podling.api.labels import Selector
from podling.proxy.policies import PolicyKey, Ports

Json = Mapping[str, Any]


class Peer(NamedTuple):
    """Pods that match, of the namespaces that match, or of the one of this name."""

    namespaces: Selector | str
    pods: Selector


class Rule(NamedTuple):
    """One rule of one direction."""

    everybody: bool
    """No peers are named."""
    peers: tuple[Peer, ...]
    networks: tuple[IPv4Network, ...]
    ports: tuple[Ports, ...] | None
    """None: all, of every protocol."""
    names: frozenset[tuple[str, str]]
    """Names and protocols of ports let pass beside `ports`."""


class Policy(NamedTuple):
    """None as a direction's rules: the policy says nothing about it."""

    key: PolicyKey
    pods: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def peers(self) -> Iterator[Peer]:
        return (peer for rules in (self.ingress, self.egress) for rule in rules or () for peer in rule.peers)

    def goals(self) -> Iterator[tuple[str, str]]:
        """Names of ports that it lets its Pods speak to, whichever Pods have them."""
        return (name for rule in self.egress or () for name in rule.names)


def read(key: PolicyKey, policy: Json) -> Policy:
    """`policy`: its JSON, as the API let it in."""
    spec = policy.get("spec") or {}
    types = spec.get("policyTypes") or ("Ingress",)
    rules = (
        tuple(_rule(each, each.get(peers) or (), key[0]) for each in spec.get(direction.lower()) or ())
        if direction in types
        else None
        for direction, peers in (("Ingress", "from"), ("Egress", "to"))
    )
    return Policy(key, labels.of(spec.get("podSelector") or {}), *rules)


def _rule(rule: Json, peers: Sequence[Json], namespace: str) -> Rule:
    ports = rule.get("ports") or ()
    blocks = (block for peer in peers if (block := peer.get("ipBlock")) is not None)
    numbered = [_numbered(port) for port in ports if not isinstance(port.get("port"), str)]
    return Rule(
        everybody=not peers,
        peers=tuple(_peer(peer, namespace) for peer in peers if peer.get("ipBlock") is None),
        networks=tuple(collapse_addresses(network for block in blocks for network in _block(block))),
        ports=_merged(numbered) if ports else None,
        names=frozenset(
            (port["port"], port.get("protocol") or "TCP") for port in ports if isinstance(port.get("port"), str)
        ),
    )


def _peer(peer: Json, namespace: str) -> Peer:
    wanted = peer.get("namespaceSelector")
    return Peer(namespace if wanted is None else labels.of(wanted), labels.of(peer.get("podSelector") or {}))


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
