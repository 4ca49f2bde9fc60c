"""Forgetting UDP conversations that lead to where nobody is any more.

The kernel decides once per conversation where it goes. A UDP client that keeps its port (a resolver, a statsd) would
go on talking to a deleted Pod for as long as it talks, so what became stale is deleted from conntrack, as kube-proxy
does it. ctnetlink, spoken by hand: a dump of this namespace's entries, and a delete per stale one.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import NamedTuple

from podling.network.netlink import Message, Netlink, attribute, attributes

_NETFILTER = 12
_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2
_GENERIC = bytes((socket.AF_INET, 0, 0, 0))
_NESTED = 0x8000
_ORIGINAL, _REPLY = 1, 2

Address = tuple[str, int]


class Flow(NamedTuple):
    """A conversation as conntrack has it."""

    protocol: int
    source: Address
    target: Address
    """Whom the client addressed."""
    answered_by: Address
    """Who answers: the endpoint, where the target was translated."""
    identity: bytes
    """The kernel's own description of it."""


def netfilter() -> Netlink:
    """A netlink socket for `flows` and `forget`, in the namespace of the calling thread."""
    return Netlink(protocol=_NETFILTER)


def flows(netlink: Netlink, protocol: int) -> Iterator[Flow]:
    """All conversations of an IP protocol number."""
    for body in netlink.dump((_GET, 0, _GENERIC)):
        parts = dict(attributes(body[4:]))
        if _ORIGINAL in parts and _REPLY in parts:
            found, source, target = _tuple(parts[_ORIGINAL])
            if found == protocol:
                yield Flow(found, source, target, _tuple(parts[_REPLY])[1], parts[_ORIGINAL])


def forget(netlink: Netlink, stale: list[Flow]) -> None:
    """Delete these; one that has gone by itself is no error."""
    messages: list[Message] = [(_DELETE, 0, _GENERIC + attribute(_ORIGINAL | _NESTED, flow.identity)) for flow in stale]
    for start in range(0, len(messages), 256):
        netlink.run(messages[start : start + 256], forgiven=[errno.ENOENT])


def _tuple(data: bytes) -> tuple[int, Address, Address]:
    """Protocol, source and target of a CTA_TUPLE."""
    parts = dict(attributes(data))
    ip, transport = dict(attributes(parts.get(1, b""))), dict(attributes(parts.get(2, b"")))
    ports = [int.from_bytes(transport.get(kind, b""), "big") for kind in (2, 3)]
    source, target = (socket.inet_ntoa(ip.get(kind, bytes(4))) for kind in (1, 2))
    return transport.get(1, b"\0")[0], (source, ports[0]), (target, ports[1])
