"""tcpSocket: can a connection be made?"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from podling.kubelet.probes.types import SUCCESS, Outcome, ProbeType, Target, dial_error, port_of


class _TcpProbe:
    source = "tcp_socket"

    async def ask(self, action: Any, target: Target, timeout: float) -> Outcome:
        host = action.host or target.pod_ip
        try:
            port = port_of(action.port, target.container)
        except ValueError as error:
            return Outcome("unknown", str(error))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            try:
                async with asyncio.timeout(timeout):
                    await asyncio.get_running_loop().sock_connect(sock, (host, port))
            except TimeoutError:
                return Outcome("failure", f"dial tcp {host}:{port}: i/o timeout")
            except OSError as error:
                return Outcome("failure", dial_error(host, port, error))
        return SUCCESS


PROBE: ProbeType = _TcpProbe()
