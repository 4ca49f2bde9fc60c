"""The cables between nodes: a veth pair for every two, made from outside by whoever starts the nodes.

A full mesh needs no namespace of its own, nobody who holds it, and nothing that could outlive the nodes: the kernel
removes a cable with either of the namespaces it joins, and with it the routes, so that what a dead node held is
unreachable at once. Packets are routed, never bridged: a node sends what is for another node's Pods or for itself down
that node's cable. The cables have no addresses of their own; each end answers for its node's InternalIP.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import NamedTuple

from podling.network import netlink
from podling.network.namespaces import inside, netlink_inside
from podling.network.netlink import Message, Netlink
from podling.network.node import set_up_node

PREFIX = "fabric"
_FIRST_INDEX = 500


class Member(NamedTuple):
    """One node: its number in the cluster (at most 253) and a descriptor of its network namespace."""

    number: int
    netns_fd: int
    address: IPv4Address
    """The InternalIP."""
    pods: IPv4Network


def link_name(peer: int) -> str:
    """The end that leads to the node with this number."""
    return f"{PREFIX}{peer}"


def weave(members: Sequence[Member], service_network: str) -> int:
    """Join all that are not joined yet; returns how many cables were made. Repeating it changes nothing.

    Raises RuntimeError where a namespace is none of ours, OSError where the kernel refuses.
    """
    for member in members:
        inside(member.netns_fd, lambda member=member: set_up_node(str(member.address), service_network))  # type: ignore[misc]
    with ExitStack() as stack:
        ends = {member.number: stack.enter_context(netlink_inside(member.netns_fd)) for member in members}
        links = {number: frozenset(netlink.links_up(end)) for number, end in ends.items()}
        missing = [
            (one, other)
            for one, other in combinations(members, 2)
            if link_name(other.number) not in links[one.number] or link_name(one.number) not in links[other.number]
        ]
        for one, other in missing:
            _plug(ends, one, other)
        for member in members:
            peers = [peer for peer in members if peer is not member]
            ends[member.number].run([message for peer in peers for message in routes(member, peer)])
        return len(missing)


def routes(member: Member, peer: Member) -> list[Message]:
    """How `member` reaches the other node and its Pods."""
    index, away = _index(peer), IPv4Network(peer.address)
    return [
        netlink.route_to_link(away, index, member.address),
        netlink.route_by(peer.pods, peer.address, index, member.address),
    ]


def _plug(ends: dict[int, Netlink], one: Member, other: Member) -> None:
    """A new cable; what is left of one (to a namespace that died or is about to) gives way."""
    for end, peer in ((one, other), (other, one)):
        ends[end.number].run([netlink.delete_link(name=link_name(peer.number))], forgiven=[errno.ENODEV])
    there, here = link_name(other.number), link_name(one.number)
    pair = netlink.new_veth(there, here, other.netns_fd, index=_index(other), peer_index=_index(one))
    ends[one.number].run([pair])
    ends[other.number].run([netlink.link_up(_index(one))])


def _index(peer: Member) -> int:
    """Follows from the number, as with Pods' cables (which begin at 1000), so that nothing has to be asked."""
    return _FIRST_INDEX + peer.number
