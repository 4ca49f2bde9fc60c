"""What load balancers are told about a Service: whether this node has ready Pods of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from podling.env import SystemEnv
from podling.network.nodesocket import connect
from podling.proxy.health import Health, HealthServers, answer, health_of
from tests.proxy.test_services import endpoint, endpoint_slice, service

LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30123}


def test_ready_endpoints_of_this_node_are_counted_once_each() -> None:
    here, there = endpoint("10.244.0.2"), endpoint("10.244.1.2", "n2")
    unready, leaving = endpoint("10.244.0.3", ready=False), endpoint("10.244.0.4", ready=False, serving=True)
    slices = [endpoint_slice(here, there, unready, leaving), endpoint_slice(here)]
    found = health_of(service(**LOCAL), slices, "n1")
    assert found is not None and (found[0], found[1].local) == (30123, 1)


@pytest.mark.parametrize(
    "other", [{"type": "NodePort"}, {"externalTrafficPolicy": "Cluster"}, {"healthCheckNodePort": 0}]
)
def test_nobody_asks_about_other_services(other: dict[str, Any]) -> None:
    assert health_of(service(**LOCAL | other), [], "n1") is None


@pytest.mark.parametrize(("local", "status"), [(0, "503 Service Unavailable"), (2, "200 OK")])
def test_the_answer_is_upstreams(local: int, status: str) -> None:
    head, _, body = answer(Health(("default", "web"), local)).decode().partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert f"X-Load-Balancing-Endpoint-Weight: {local}\r\n" in head
    assert f"Content-Length: {len(body)}\r\n" in head
    assert json.loads(body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": local,
        "serviceProxyHealthy": True,
    }


async def test_a_port_is_served_for_as_long_as_its_service_has_it() -> None:
    servers, key, env = HealthServers("127.0.0.1"), ("default", "web"), SystemEnv()
    port = 20_000 + int(env.chance() * 10_000)
    assert servers.update(key, (port, Health(key, 0))) is True
    await servers.serve()
    assert b" 503 " in await asked(port)
    assert servers.update(key, (port, Health(key, 1))) is False
    assert b" 200 " in await asked(port)
    assert servers.update(key, None) is True
    await servers.serve()
    with pytest.raises(Exception, match="connection refused"):
        await connect("127.0.0.1", port)
    servers.close()


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        found = await reader.read()
    writer.close()
    return found
