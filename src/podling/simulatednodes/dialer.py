"""What happens when somebody wants into a simulated Pod: a clear no. Everything else goes where it always went."""

from __future__ import annotations

import socket
from collections.abc import Container, Mapping
from typing import Any

from podling.api.errors import BadRequest, ServiceUnavailable
from podling.network.dialer import Dialer

DOING = {
    "exec": "run a command in",
    "attach": "attach to",
    "logs": "log",
    "portforward": "forward a port to",
    "stats": "measure",
}


class SimulatedDialer:
    """In front of the real one."""

    def __init__(self, real: Dialer) -> None:
        self._real = real
        self.simulated: Container[str] = ()
        """The names of nodes that are simulated; told when there is somebody who knows."""

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        """As `Dialer.connect`. Raises ServiceUnavailable for a simulated node."""
        if node in self.simulated:
            raise ServiceUnavailable(f'node "{node}" is simulated: nothing listens at {address}:{port}')
        return await self._real.connect(node, address, port)

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        """As `Dialer.stream`. Raises BadRequest for a simulated node."""
        if node in self.simulated:
            doing = DOING.get(str(request.get("verb")), "reach")
            raise BadRequest(f'node "{node}" is simulated: no process runs in its Pods, so there is nothing to {doing}')
        return await self._real.stream(node, request)
