"""DNS as a component: a real API in the process, real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import Any

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.informer import Informers
from podling.client.resources import ENDPOINTSLICES, SERVICES
from podling.client.transport import Transport
from podling.dns import manifests
from podling.dns.dns import Dns, DnsConfig
from podling.env import SystemEnv
from podling.network.unixdialer import RefusingDialer
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from podling.wire import dns as wire


class Cluster:
    def __init__(self, api: Transport, dns: Dns) -> None:
        self.api, self.dns = api, dns

    async def answers(self, name: str) -> list[str] | int:
        """The addresses of a name, or the code of the failure."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
            client.connect(("127.0.0.1", self.dns.port))
            await loop.sock_sendall(client, wire.pack_query(name, wire.A, 1))
            answer = wire.parse_message(await asyncio.wait_for(loop.sock_recv(client, 4096), 5))
        return answer.rcode or [str(IPv4Address(record.data)) for record in answer.answers]

    async def eventually(self, name: str, wanted: list[str] | int) -> None:
        async with asyncio.timeout(5):
            while await self.answers(name) != wanted:
                pass


@asynccontextmanager
async def cluster(*objects: tuple[str, dict[str, Any]]) -> AsyncIterator[Cluster]:
    env, storage = SystemEnv(), MemoryStorage()
    server = ApiServer(Config(kubernetes_service=False), storage, env, RefusingDialer("no node"))
    await server.start()
    api = server.transport("test", ("system:masters",))
    for path, body in objects:
        await api.request("POST", path, body=body)
    async with Supervisor() as tasks:
        informers = Informers(api, env)
        tasks.start("informers", informers.run())
        dns = Dns(informers, DnsConfig("127.0.0.1", 0))
        tasks.start("dns", dns.run())
        await dns.wait_ready()
        yield Cluster(api, dns)
    await server.stop()
    await storage.close()


async def test_what_is_there_is_known_before_the_first_query_can_come() -> None:
    web = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    async with cluster((SERVICES.path("default"), web)) as made:
        listed = await made.api.list(SERVICES, namespace="default")
        address = listed.items[0].view.spec.cluster_ip
        assert await made.answers("web.default.svc.cluster.local") == [address]


async def test_names_follow_the_services_of_the_api() -> None:
    async with cluster() as made:
        name = "db.default.svc.cluster.local"
        assert await made.answers(name) == wire.NXDOMAIN
        headless = {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "ports": [{"port": 27017}]}}
        await made.api.request("POST", SERVICES.path("default"), body=headless)
        found = {
            "metadata": {"name": "db-1", "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": True}}],
            "ports": [],
        }
        await made.api.request("POST", ENDPOINTSLICES.path("default"), body=found)
        await made.eventually(name, ["10.244.0.5"])
        await made.eventually(f"db-0.{name}", ["10.244.0.5"])
        await made.api.request("DELETE", ENDPOINTSLICES.path("default", "db-1"))
        await made.eventually(f"db-0.{name}", wire.NXDOMAIN)
        await made.api.request("DELETE", SERVICES.path("default", "db"))
        await made.eventually(name, wire.NXDOMAIN)


async def test_the_manifests_of_kube_dns_are_taken_by_the_api() -> None:
    async with cluster(
        (SERVICES.path("kube-system"), manifests.service("10.96.0.10")),
        (ENDPOINTSLICES.path("kube-system"), manifests.endpoint_slice([("n1", "172.31.0.2")])),
    ) as made:
        assert await made.answers("kube-dns.kube-system.svc.cluster.local") == ["10.96.0.10"]
        listed = await made.api.list(ENDPOINTSLICES, namespace="kube-system")
        assert [(port.name, port.port) for port in listed.items[0].view.ports] == [("dns", 53), ("dns-tcp", 53)]
