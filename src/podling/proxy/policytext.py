"""The nftables text of judged NetworkPolicies: one table, replaced as a whole in one transaction.

A policy is a chain that accepts what it allows; a set of policies is a chain that asks each of them and then refuses;
a map leads from a Pod's address to the chain of its set. The two directions are two base chains, because a connection
needs the consent of both and `accept` ends one base chain only. Only what is forwarded is judged: Pods among each
other, after a Service's address became a Pod's. What is refused is told at once ("no route to host") instead of
running into the client's timeout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from podling.proxy.policies import LAST_PORT, Allowance, Door, Judgement, PolicyKey, Ports, Side

TABLE = "podling-policies"
BATCH = 64
"""Addresses written at once: whoever takes the lines one by one is never held for long."""

T = TypeVar("T")

_HEAD = f"""\
add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  set selves {{ typeof ip saddr . ip daddr; }}
  map senders {{ type ipv4_addr : verdict; }}
  map receivers {{ type ipv4_addr : verdict; }}
  chain known {{
    ct state established,related accept
    ip saddr . ip daddr @selves accept
    ip saddr NODES accept
    ip daddr NODES accept
  }}
  chain refuse {{ reject with icmp type admin-prohibited; }}
  chain egress {{
    type filter hook forward priority -10; policy accept;
    jump known
    ip saddr vmap @senders
  }}
  chain ingress {{
    type filter hook forward priority -5; policy accept;
    jump known
    ip daddr vmap @receivers
  }}
}}
"""
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class _Words(NamedTuple):
    """How one direction is written."""

    prefix: str
    map: str
    peer: str


_INGRESS, _EGRESS = _Words("in-", "receivers", "ip saddr"), _Words("out-", "senders", "ip daddr")


def written(judgement: Judgement, nodes: str) -> Iterator[str]:
    """Commands that make exactly this the rules, line by line; nothing is left where no Pod is isolated.

    `nodes`: the network of the nodes' own addresses, whose traffic is free.
    """
    isolated = sorted({*judgement.ingress.isolated, *judgement.egress.isolated})
    if not isolated:
        yield f"add table ip {TABLE}\ndelete table ip {TABLE}\n"
        return
    yield _HEAD.replace("NODES", nodes)
    for several in _batches(isolated):
        selves = ", ".join(f"{address} . {address}" for address in several)
        yield f"add element ip {TABLE} selves {{ {selves} }}\n"
    for side, words in ((judgement.ingress, _INGRESS), (judgement.egress, _EGRESS)):
        yield from (f"{line}\n" for line in _side(side, words))


def _side(side: Side, words: _Words) -> Iterator[str]:
    chains = {key: f"{words.prefix}p{number}" for number, key in enumerate(side.allowed)}
    for key, chain in chains.items():
        yield f"add chain ip {TABLE} {chain}"
        for allowance in side.allowed[key]:
            yield from (f"add rule ip {TABLE} {chain} {rule} accept" for rule in _rules(allowance, words.peer))
    sets: dict[tuple[PolicyKey, ...], str] = {}
    for several in _batches(list(side.isolated.items())):
        for _, keys in several:
            if keys not in sets:
                chain = sets[keys] = f"{words.prefix}s{len(sets)}"
                yield f"add chain ip {TABLE} {chain}"
                yield from (f"add rule ip {TABLE} {chain} jump {chains[key]}" for key in keys)
                yield f"add rule ip {TABLE} {chain} goto refuse"
        led = ", ".join(f"{address} : goto {sets[keys]}" for address, keys in several)
        yield f"add element ip {TABLE} {words.map} {{ {led} }}"


def _batches(several: Sequence[T]) -> Iterator[Sequence[T]]:
    return (several[at : at + BATCH] for at in range(0, len(several), BATCH))


def _rules(allowance: Allowance, peer: str) -> Iterator[str]:
    """What has to hold of a packet, in one rule for each kind of peers and each protocol."""
    which = [""]
    if (ports := allowance.ports) is not None:
        which = [each for protocol in _PROTOCOLS for each in _ports(protocol, ports, allowance.doors)]
    if allowance.peers is None:
        yield from which
        return
    for several in allowance.peers:
        if several:
            who = f"{peer} {{ {', '.join(map(str, several))} }}"
            yield from (f"{who} {each}".rstrip() for each in which)


def _ports(protocol: str, ports: Iterable[Ports], doors: Iterable[Door]) -> Iterator[str]:
    name = protocol.lower()
    ranges = [port for port in ports if port.protocol == protocol]
    named = [door for door in doors if door.protocol == protocol]
    if any((port.first, port.last) == (1, LAST_PORT) for port in ranges):
        yield f"meta l4proto {name}"
        return
    if ranges:
        yield f"{name} dport {{ {', '.join(_range(port) for port in ranges)} }}"
    if named:
        yield f"ip daddr . {name} dport {{ {', '.join(f'{door.address} . {door.port}' for door in named)} }}"


def _range(port: Ports) -> str:
    return str(port.first) if port.first == port.last else f"{port.first}-{port.last}"
