"""The host's listeners as the keeper holds them: they outlive this process, and are found again by the next one."""

from __future__ import annotations

import errno
import socket
from typing import Any

from podling.keeper.client import KeeperClient, KeeperRefused
from podling.network.publish import Published


class KeeperListeners:
    """`publish.Listeners` by the node's keeper. Every failure is an OSError in the keeper's words."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def listen(self, port: Published) -> socket.socket:
        _, descriptors = await self._ask("listen", **_named(port))
        return socket.socket(fileno=descriptors[0])

    async def unlisten(self, port: Published) -> None:
        await self._ask("unlisten", **_named(port))

    async def listening(self) -> frozenset[Published]:
        keys, _ = await self._ask("listening")
        return frozenset(_parsed(key) for key in keys)

    async def _ask(self, op: str, **arguments: Any) -> tuple[Any, tuple[int, ...]]:
        try:
            return await self._keeper.call_fds(op, **arguments)
        except KeeperRefused as error:
            raise OSError(error.errno or errno.EIO, error.message) from None


def _named(port: Published) -> dict[str, str | int]:
    return {"address": port.address, "port": port.port, "protocol": port.protocol.lower()}


def _parsed(key: str) -> Published:
    """From `tcp/127.77.0.2:30080`."""
    protocol, _, place = key.partition("/")
    address, _, port = place.rpartition(":")
    return Published(address, int(port), protocol.upper())
