"""The API's address inside the node: InternalIP:6443, relayed as raw TCP to the API's Unix socket.

Pods speak to the `kubernetes` Service, whose endpoint this is. TLS goes through untouched, so the API server sees
the client's certificate and the client the server's.
"""

from __future__ import annotations

import socket

from podling.network.relay import Fixed, TcpRelay
from podling.supervise import Supervisor


async def relay_api(internal_ip: str, port: int, api_socket: str, tasks: Supervisor) -> TcpRelay:
    """Listen in the calling process's network namespace and relay to the Unix socket at `api_socket`."""
    relay = TcpRelay(Fixed(api_socket), tasks)
    await relay.serve(listener(internal_ip, port))
    return relay


def listener(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A bound socket here; TCP ports may be bound again at once after a restart."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
