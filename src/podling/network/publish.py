"""Ports of the node that the host can reach: listeners in the host's namespace, relayed inside.

The node process cannot make a socket outside of its namespace; the keeper can, and passes it (DESIGN 11, 13). What
a connection then reaches is the balancer's decision, which is how one Publisher serves both proxy modes.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from podling.env import Env
from podling.network.relay import Balancer, TcpRelay
from podling.network.udprelay import UdpRelay
from podling.supervise import Supervisor


class Listeners(Protocol):
    """What is needed of the keeper's client."""

    async def listen(self, address: str, port: int, protocol: str) -> socket.socket:
        """A socket bound (TCP: listening) in the host's namespace; `protocol` is TCP or UDP. Raises OSError."""


class Published(NamedTuple):
    """A port on the host."""

    address: str
    port: int
    protocol: str
    """TCP or UDP."""


class Publisher:
    """Keeps the host's listeners equal to what is wanted."""

    def __init__(self, listeners: Listeners, tasks: Supervisor, env: Env) -> None:
        self._listeners, self._tasks, self._env = listeners, tasks, env
        self._relays: dict[Published, TcpRelay | UdpRelay] = {}

    @property
    def published(self) -> frozenset[Published]:
        return frozenset(self._relays)

    async def reconcile(self, wanted: Mapping[Published, Balancer]) -> dict[Published, OSError]:
        """Open what is missing, close what is too much, exchange balancers of the rest; returns what failed.

        Open TCP connections of a port that is closed go on to their own end.
        """
        for port in [port for port in self._relays if port not in wanted]:
            self._relays.pop(port).close()
        failures: dict[Published, OSError] = {}
        for port, balancer in wanted.items():
            if (relay := self._relays.get(port)) is not None:
                relay.balancer = balancer
                continue
            try:
                self._relays[port] = await self._open(port, balancer)
            except OSError as error:
                failures[port] = error
        return failures

    def close(self) -> None:
        """End all, connections too."""
        for relay in self._relays.values():
            relay.cut() if isinstance(relay, TcpRelay) else relay.close()
        self._relays.clear()

    async def _open(self, port: Published, balancer: Balancer) -> TcpRelay | UdpRelay:
        listener = await self._listeners.listen(port.address, port.port, port.protocol)
        if port.protocol == "UDP":
            return UdpRelay(balancer, listener, self._env)
        relay = TcpRelay(balancer, self._tasks)
        await relay.serve(listener)
        return relay
