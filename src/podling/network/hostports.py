"""The host's listeners as the keeper holds them: they outlive this process, and are found again by the next one."""

from __future__ import annotations

import errno
import socket

from podling.keeper.client import KeeperClient, KeeperRefused
from podling.network.publish import Published


class KeeperListeners:
    """`publish.Listeners` by the node's keeper. Every failure is an OSError in the keeper's words."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def listen(self, port: Published) -> socket.socket:
        try:
            _, descriptors = await self._keeper.call_fds("listen", **_named(port))
        except KeeperRefused as error:
            raise OSError(error.errno or errno.EIO, error.message) from None
        return socket.socket(fileno=descriptors[0])

    async def unlisten(self, port: Published) -> None:
        try:
            await self._keeper.call("unlisten", **_named(port))
        except KeeperRefused as error:
            raise OSError(error.errno or errno.EIO, error.message) from None

    async def listening(self) -> frozenset[Published]:
        return frozenset(_parsed(key) for key in await self._keeper.call("listening"))


def _named(port: Published) -> dict[str, str | int]:
    return {"address": port.address, "port": port.port, "protocol": port.protocol.lower()}


def _parsed(key: str) -> Published:
    """From `tcp/127.77.0.2:30080`."""
    protocol, _, place = key.partition("/")
    address, _, port = place.rpartition(":")
    return Published(address, int(port), protocol.upper())
