"""The health of a Service for load balancers outside: at `healthCheckNodePort`, whether this node has its Pods.

A balancer that keeps clients' addresses (externalTrafficPolicy Local) may send them only to nodes with a ready Pod of
the Service, and asks here which those are. Paths and methods do not matter; texts and headers are kube-proxy's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.network.apirelay import listener
from podling.proxy.services import ServiceKey

_LONGEST_REQUEST = 65_536
_SECONDS = 10.0


class Health(NamedTuple):
    """What is told about one Service."""

    service: ServiceKey
    local: int
    """Ready endpoints on this node."""


def health_of(service: Service, slices: Iterable[EndpointSlice], node: str) -> tuple[int, Health] | None:
    """The port and what is told there; None for a Service that nobody has to ask about."""
    spec, meta = service.spec, service.metadata
    if spec.type != "LoadBalancer" or spec.external_traffic_policy != "Local" or not spec.health_check_node_port:
        return None
    ready = {
        endpoint.addresses[0]
        for found in slices
        if found.address_type == "IPv4"
        for endpoint in found.endpoints
        if endpoint.addresses and endpoint.node_name == node and endpoint.conditions.ready in (True, None)
    }
    return spec.health_check_node_port, Health((meta.namespace, meta.name), len(ready))


def answer(health: Health) -> bytes:
    """A whole HTTP answer, after which the connection ends."""
    namespace, name = health.service
    status = "200 OK" if health.local else "503 Service Unavailable"
    body = (
        f'{{\n\t"service": {{\n\t\t"namespace": "{namespace}",\n\t\t"name": "{name}"\n\t}},\n'
        f'\t"localEndpoints": {health.local},\n\t"serviceProxyHealthy": true\n}}'
    )
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
        f"X-Load-Balancing-Endpoint-Weight: {health.local}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        f"{body}"
    ).encode()


class HealthServers:
    """One listener for each Service that has such a port. Use within a running loop."""

    def __init__(self, address: str) -> None:
        """`address`: of the node."""
        self._address = address
        self._told: dict[ServiceKey, tuple[int, Health]] = {}
        self._servers: dict[int, asyncio.Server] = {}

    @property
    def ports(self) -> Mapping[int, Health]:
        return dict(self._told.values())

    def update(self, key: ServiceKey, told: tuple[int, Health] | None) -> bool:
        """What Service `key` tells from now on; whether ports have come or gone, so that `serve` is due."""
        before = self._told.pop(key, None)
        if told is not None:
            self._told[key] = told
        return (before and before[0]) != (told and told[0])

    async def serve(self) -> None:
        """Listen at just the ports there are. Raises the first OSError; the other ports are served all the same."""
        wanted = self.ports
        for port in self._servers.keys() - wanted.keys():
            self._servers.pop(port).close()
        failures: list[OSError] = []
        for port in wanted.keys() - self._servers.keys():
            try:
                self._servers[port] = await self._server(port)
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    async def _server(self, port: int) -> asyncio.Server:
        async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                async with asyncio.timeout(_SECONDS):
                    await reader.readuntil(b"\r\n\r\n")
                if (health := self.ports.get(port)) is not None:
                    writer.write(answer(health))
                    await writer.drain()
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass  # whoever asked is gone, or asked for nothing
            finally:
                writer.close()

        return await asyncio.start_server(told, sock=listener(self._address, port), limit=_LONGEST_REQUEST)
