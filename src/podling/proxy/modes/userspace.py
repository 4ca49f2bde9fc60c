"""Proxy mode userspace: a relay on every front, which needs neither nftables nor any system package.

The node's namespace routes the whole Service network to itself (AnyIP, `network/node.py`), so a socket can listen on
any ClusterIP. A front without endpoints has no socket, and the kernel refuses. About half of the throughput of the
kernel's way, and Pods see the node as their client; in return a connection that an endpoint refuses, or drops before
it answered, goes to another one.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from podling.network import netlink
from podling.network.apirelay import listener
from podling.network.netlink import Netlink
from podling.network.relay import TcpRelay
from podling.network.udprelay import UdpRelay
from podling.proxy.balancer import RoundRobin
from podling.proxy.mode import Mode, ModeConfig
from podling.proxy.services import Change, Front, Rule

_LOOPBACK = 1


class Userspace:
    """Relays in this process. Needs CAP_NET_ADMIN only for external addresses, which get a route to the node."""

    name = "userspace"

    def __init__(self, config: ModeConfig) -> None:
        self._config = config
        self._services = IPv4Network(config.services)
        self._relays: dict[Front, _Relay] = {}
        self._routed: Counter[str] = Counter()

    async def start(self, rules: Mapping[Front, Rule]) -> None:
        await self.apply(Change(rules, tuple(front for front in self._relays if front not in rules)))

    async def apply(self, change: Change) -> None:
        for front in change.removed:
            self._close(front)
        for front, rule in change.set.items():
            if not rule.endpoints:
                self._close(front)
            elif (relay := self._relays.get(front)) is not None:
                relay.update(rule)
            elif front.protocol in ("TCP", "UDP"):
                await self._open(front, rule)

    async def stop(self) -> None:
        """Open connections go on to their own end."""
        for front in list(self._relays):
            self._close(front)

    def release(self) -> None:
        for front, relay in list(self._relays.items()):
            relay.cut()
            self._close(front)

    async def _open(self, front: Front, rule: Rule) -> None:
        self._route(front.address)
        try:
            self._relays[front] = await _Relay.on(front, rule, self._config)
        except OSError:
            self._unroute(front.address)
            raise

    def _close(self, front: Front) -> None:
        relay = self._relays.pop(front, None)
        if relay is not None:
            relay.close()
            self._unroute(front.address)

    def _route(self, address: str) -> None:
        if self._is_foreign(address):
            self._routed[address] += 1
            if self._routed[address] == 1:
                with Netlink() as node:
                    node.run([netlink.local_route(IPv4Network(address), _LOOPBACK)])

    def _unroute(self, address: str) -> None:
        if self._is_foreign(address):
            self._routed[address] -= 1
            if not self._routed[address]:
                with Netlink() as node:
                    node.run([netlink.local_route(IPv4Network(address), _LOOPBACK, delete=True)])

    def _is_foreign(self, address: str) -> bool:
        """Neither in the Service network nor the node's own: an externalIP."""
        own = address == self._config.node_ip or IPv4Address(address).is_loopback
        return not own and IPv4Address(address) not in self._services


class _Relay:
    """One front: the relay and what it balances over."""

    def __init__(self, relay: TcpRelay | UdpRelay, balancer: RoundRobin) -> None:
        self._relay, self._balancer = relay, balancer

    @classmethod
    async def on(cls, front: Front, rule: Rule, config: ModeConfig) -> _Relay:
        balancer = RoundRobin(rule, config.env, config.permits, front.protocol)
        if front.protocol == "UDP":
            bound = listener(front.address, front.port, socket.SOCK_DGRAM)
            return cls(UdpRelay(balancer, bound, config.env), balancer)
        relay = TcpRelay(balancer, config.tasks)
        await relay.serve(listener(front.address, front.port))
        return cls(relay, balancer)

    def update(self, rule: Rule) -> None:
        """TCP connections to an endpoint that left go on; UDP knows no end, so its clients move."""
        left = frozenset(self._balancer.rule.endpoints) - frozenset(rule.endpoints)
        self._balancer.rule = rule
        if isinstance(self._relay, UdpRelay):
            self._relay.forget(left)

    def close(self) -> None:
        self._relay.close()

    def cut(self) -> None:
        if isinstance(self._relay, TcpRelay):
            self._relay.cut()


MODE: type[Mode] = Userspace
