"""rtnetlink by hand: messages packed here, sent in one batch, acknowledged one by one.

A Pod needs eight small changes of links, addresses and routes. Packed and batched they cost about a millisecond;
the libraries for it cost four to six, the `ip` command twenty (DESIGN 12). The functions below each return one
message of the rtnetlink protocol (man 7 rtnetlink); `Netlink` sends them. A netlink socket works in the network
namespace it was made in, whichever thread uses it later.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Self

NETLINK_ROUTE = 0
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # family, device type, index, flags, mask of changed flags
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst length, src length, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")

NEWLINK, DELLINK, _GETLINK, NEWADDR, NEWROUTE, DELROUTE = 16, 17, 18, 20, 24, 25
_ERROR, _DONE = 2, 3
REQUEST, ACK, DUMP, EXCL, CREATE, REPLACE = 1, 4, 0x300, 0x200, 0x400, 0x100
_UP = 1
_TABLE_MAIN, _TABLE_LOCAL = 254, 255
_PROTOCOL_STATIC = 4
_SCOPE_GLOBAL, _SCOPE_LINK, _SCOPE_HOST = 0, 253, 254
_UNICAST, _LOCAL = 1, 2

Message = tuple[int, int, bytes]
"""Type, flags, body: a netlink message that has no number yet."""


class NetlinkError(OSError):
    """The kernel refused one message of a batch; `errno` says why, `index` which one."""

    def __init__(self, number: int, index: int) -> None:
        super().__init__(number, f"netlink message {index}: {os.strerror(number)}")
        self.index = index


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """The attributes of a received message: (kind without its flag bits, value)."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, bytes(data[offset + 4 : offset + length])
        offset += (length + 3) & ~3


def _name(name: str) -> bytes:
    return attribute(3, name.encode() + b"\0")


def link_up(index: int) -> Message:
    return NEWLINK, 0, _LINK.pack(0, 0, index, _UP, _UP)


def link_up_by_name(name: str) -> Message:
    return NEWLINK, 0, _LINK.pack(0, 0, 0, _UP, _UP) + _name(name)


def delete_link(index: int = 0, *, name: str = "") -> Message:
    return DELLINK, 0, _LINK.pack(0, 0, index, 0, 0) + (_name(name) if name else b"")


def links_up(netlink: Netlink) -> list[str]:
    """The names of all links that are up."""
    bodies = netlink.dump((_GETLINK, 0, _LINK.pack(0, 0, 0, 0, 0)))
    return [_named(body) for body in bodies if _LINK.unpack_from(body)[3] & _UP]


def _named(link: bytes) -> str:
    return dict(attributes(link[_LINK.size :])).get(3, b"").rstrip(b"\0").decode()


def new_veth(name: str, peer: str, netns_fd: int, *, index: int = 0, peer_index: int = 2) -> Message:
    """A veth pair: `name` here and up, `peer` with a known index in the namespace of `netns_fd` and still down."""
    peer_info = (
        _LINK.pack(0, 0, peer_index, 0, 0) + _name(peer) + attribute(28, struct.pack("=i", netns_fd))
    )  # _NET_NS_FD
    info = attribute(1, b"veth\0") + attribute(2, attribute(1, peer_info))  # IFLA_INFO_KIND, _DATA, VETH_INFO_PEER
    return NEWLINK, CREATE | EXCL, _LINK.pack(0, 0, index, _UP, _UP) + _name(name) + attribute(18, info)


def new_address(index: int, address: IPv4Address, *, scope: int = _SCOPE_GLOBAL) -> Message:
    """`address`/32 on a link; one that is there already is no error."""
    body = _ADDRESS.pack(socket.AF_INET, 32, 0, scope, index)
    return NEWADDR, CREATE | REPLACE, body + attribute(2, address.packed) + attribute(1, address.packed)


def link_address(index: int, address: IPv4Address) -> Message:
    """An address that is meant for the link only and never chosen as a source elsewhere."""
    return new_address(index, address, scope=_SCOPE_LINK)


def route_to_link(
    network: IPv4Network, index: int, source: IPv4Address | None = None, *, delete: bool = False
) -> Message:
    """`network` is directly behind link `index`; `source` is what this node calls itself towards it."""
    return _route(DELROUTE if delete else NEWROUTE, network, index, scope=_SCOPE_LINK, source=source)


def route_by(network: IPv4Network, gateway: IPv4Address, index: int, source: IPv4Address) -> Message:
    """`network` is reached by way of `gateway`, for which there is a route already."""
    return _route(NEWROUTE, network, index, gateway=gateway, source=source)


def default_route(gateway: IPv4Address, index: int) -> Message:
    return _route(NEWROUTE, IPv4Network("0.0.0.0/0"), index, gateway=gateway)


def local_route(
    network: IPv4Network, index: int, source: IPv4Address | None = None, *, delete: bool = False
) -> Message:
    """Every address of `network` is this node's own (AnyIP): what is sent there arrives in its sockets."""
    kind = DELROUTE if delete else NEWROUTE
    return _route(kind, network, index, scope=_SCOPE_HOST, source=source, table=_TABLE_LOCAL, type_=_LOCAL)


def _route(
    kind: int,
    network: IPv4Network,
    index: int,
    *,
    scope: int = _SCOPE_GLOBAL,
    gateway: IPv4Address | None = None,
    source: IPv4Address | None = None,
    table: int = _TABLE_MAIN,
    type_: int = _UNICAST,
) -> Message:
    body = _ROUTE.pack(socket.AF_INET, network.prefixlen, 0, 0, table, _PROTOCOL_STATIC, scope, type_, 0)
    if network.prefixlen:
        body += attribute(1, network.network_address.packed)
    body += attribute(4, struct.pack("=i", index))
    if gateway is not None:
        body += attribute(5, gateway.packed)
    if source is not None:
        body += attribute(7, source.packed)
    return kind, CREATE | REPLACE if kind == NEWROUTE else 0, body


class Netlink:
    """A netlink socket; blocking, for a thread or for calls that the kernel answers at once. Close it."""

    def __init__(self, sock: socket.socket | None = None, protocol: int = NETLINK_ROUTE) -> None:
        """`sock` is one made in another namespace (`namespaces.netlink_inside`); None makes one here."""
        self._socket = sock or socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setblocking(True)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def run(self, messages: Sequence[Message], *, forgiven: Iterable[int] = ()) -> None:
        """Send all in one call and read every acknowledgement; raises NetlinkError for the first that failed.

        Later messages of the batch are carried out even after a failure. Errors in `forgiven` (errno numbers) count
        as success.
        """
        first = self._sequence + 1
        self._socket.sendto(b"".join(self._packed(m, REQUEST | ACK) for m in messages), (0, 0))
        failure: NetlinkError | None = None
        waiting, forgiven = len(messages), frozenset(forgiven)
        while waiting:
            for kind, sequence, body in self._receive():
                if kind != _ERROR:
                    continue
                waiting -= 1
                number = -int.from_bytes(body[:4], "little", signed=True)
                if number and number not in forgiven and failure is None:
                    failure = NetlinkError(number, sequence - first)
        if failure is not None:
            raise failure

    def dump(self, message: Message) -> Iterator[bytes]:
        """The bodies of all messages that answer a dump request."""
        self._socket.sendto(self._packed(message, REQUEST | DUMP), (0, 0))
        while True:
            for kind, _, body in self._receive():
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise NetlinkError(-int.from_bytes(body[:4], "little", signed=True), 0)
                yield body

    def _packed(self, message: Message, flags: int) -> bytes:
        kind, own_flags, body = message
        self._sequence += 1
        return _HEADER.pack(_HEADER.size + len(body), kind, flags | own_flags, self._sequence, 0) + body

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 18)
        if not data:
            raise OSError(errno.ECONNRESET, "netlink socket closed")
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
            yield kind, sequence, data[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3
