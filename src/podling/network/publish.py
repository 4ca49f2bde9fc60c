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


class Published(NamedTuple):
    """A port on the host."""

    address: str
    port: int
    protocol: str
    """TCP or UDP."""


class Listeners(Protocol):
    """What is needed of the host. Failures are OSErrors."""

    async def listen(self, port: Published) -> socket.socket:
        """A socket bound (TCP: listening) in the host's namespace; the same one if there is one already."""

    async def unlisten(self, port: Published) -> None:
        """Close it where it is held."""

    async def listening(self) -> frozenset[Published]:
        """All that are held, also for an earlier process."""


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
        failures: dict[Published, OSError] = {}
        held = await self._listeners.listening() | self._relays.keys()
        for port in sorted(held - wanted.keys()):
            await self._close(port, failures)
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
        """End all relays, connections too; the host's listeners stay for the next process."""
        for relay in self._relays.values():
            relay.cut() if isinstance(relay, TcpRelay) else relay.close()
        self._relays.clear()

    async def _close(self, port: Published, failures: dict[Published, OSError]) -> None:
        if (relay := self._relays.pop(port, None)) is not None:
            relay.close()
        try:
            await self._listeners.unlisten(port)
        except OSError as error:
            failures[port] = error

    async def _open(self, port: Published, balancer: Balancer) -> TcpRelay | UdpRelay:
        listener = await self._listeners.listen(port)
        if port.protocol == "UDP":
            return UdpRelay(balancer, listener, self._env)
        relay = TcpRelay(balancer, self._tasks)
        await relay.serve(listener)
        return relay
