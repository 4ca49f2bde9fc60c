"""The way to a Service from the server, which stands outside of every node's network.

As upstream's endpoint resolver: a ready endpoint of the Service is picked anew for each connection, and the node that
has it makes the connection. A Service of type ExternalName is a host of the server's own network.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import NamedTuple

from podling.api.errors import ApiError
from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.api.objects import key_of, prefix_of
from podling.apiserver.anynode import any_node
from podling.env import Env
from podling.network.dialer import Dialer
from podling.storage.watchcache import WatchCache

SLICE_OF = "kubernetes.io/service-name"


class Unreachable(Exception):
    """Nobody answers there; the text is what Go's client would say behind `Post "…": `."""


class Endpoint(NamedTuple):
    """`node` is where the connection is made; empty: from the server itself."""

    node: str
    address: str
    port: int


class Reach:
    def __init__(self, cache: WatchCache, env: Env, dialer: Dialer) -> None:
        self._cache, self._env, self._dialer = cache, env, dialer

    async def service(self, namespace: str, name: str, port: int) -> socket.socket:
        """A connected non-blocking socket to one ready endpoint. Raises Unreachable."""
        endpoint = self.endpoint(namespace, name, port)
        if not endpoint.node:
            return await direct(endpoint.address, endpoint.port)
        try:
            return await self._dialer.connect(endpoint.node, endpoint.address, endpoint.port)
        except (ApiError, OSError) as error:
            raise Unreachable(f"dial tcp {endpoint.address}:{endpoint.port}: {reason(error)}") from error

    def endpoint(self, namespace: str, name: str, port: int) -> Endpoint:
        """Raises Unreachable."""
        found = self._cache.get(key_of("", "services", namespace, name))
        if found is None:
            raise Unreachable(f'service "{name}" not found')
        service: Service = found.view
        if service.spec.type == "ExternalName":
            return Endpoint("", service.spec.external_name, port)
        names = [each.name for each in service.spec.ports if each.port == port]
        if not names:
            raise Unreachable(f'no service port {port} found for service "{name}"')
        ready = list(self._ready(namespace, name, names[0]))
        if not ready:
            raise Unreachable(f'no endpoints available for service "{name}"')
        return ready[int(self._env.chance() * len(ready))]

    def _ready(self, namespace: str, service: str, port: str) -> Iterator[Endpoint]:
        for found in self._cache.list(prefix_of("discovery.k8s.io", "endpointslices", namespace)):
            if found.head.labels.get(SLICE_OF) != service:
                continue
            slice: EndpointSlice = found.view
            numbers = [each.port for each in slice.ports if (each.name or "") == port and each.port]
            for endpoint in slice.endpoints if numbers else ():
                if endpoint.conditions.ready is not False and endpoint.addresses:
                    node = endpoint.node_name or any_node(self._cache)
                    yield Endpoint(node, endpoint.addresses[0], numbers[0] or 0)


async def direct(host: str, port: int) -> socket.socket:
    """A connection out of the server's own network. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable(f"dial tcp: lookup {host}: no such host") from None
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise Unreachable(f"dial tcp {host}:{port}: {reason(failure or OSError('no address'))}") from failure


def reason(error: Exception) -> str:
    """As Go names it."""
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(error, OSError) and error.strerror:
        return f"connect: {error.strerror.lower()}"
    return str(error)
