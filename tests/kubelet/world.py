"""A kubelet on the real API server, all in this process: the store in memory, the runtime simulated, time virtual."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.client.resources import CONFIGMAPS, EVENTS, PODS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.env import Env, SimulatedEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.hostports import HostPorts
from podling.kubelet.kubelet import Kubelet
from podling.network.unixdialer import RefusingDialer
from podling.pki.ca import new_signing_key
from podling.runtime.fake import Course, FakeRuntime
from podling.runtime.interface import Runtime
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor

NODE = "n1"
NORMALISED = "docker.io/library/app:latest"


class World:
    """`async with world(tmp_path) as w`: an API, a node, and words to look at them."""

    def __init__(self, server: ApiServer, runtime: Runtime, state: Path, env: Env) -> None:
        self.server, self.runtime, self.state, self.env = server, runtime, state, env
        self.admin = Rest(server.transport("kubernetes-admin", ["system:masters"]))
        self.ports: HostPorts | None = None
        self.kubelet = self._kubelet()

    def _kubelet(self) -> Kubelet:
        config = KubeletConfig(NODE, self.state, "172.31.0.2", "127.77.0.2")
        transport = self.server.transport(f"system:node:{NODE}", ["system:nodes"])
        return Kubelet(config, transport, self.runtime, self.env, self.ports)

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[None]:
        """A kubelet runs in the block and is killed at its end, leaving everything to its successor."""
        self.kubelet = self._kubelet()
        async with Supervisor() as tasks:
            tasks.start("kubelet", self.kubelet.run())
            yield

    async def create(self, name: str = "web", namespace: str = "default", **spec: Any) -> dict[str, Any]:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"nodeName": NODE, "containers": [{"name": "main", "image": "app"}], **spec},
        }
        return (await self.admin.create(PODS, namespace, body)).object

    async def pod(self, name: str = "web") -> dict[str, Any]:
        return (await self.admin.get(PODS, "default", name)).object

    async def until(self, seen: Callable[[dict[str, Any]], bool], name: str = "web") -> dict[str, Any]:
        """The Pod as soon as `seen` is true of it; told by a watch."""
        async with asyncio.timeout(30):
            listing = await self.admin.transport.list(PODS, field_selector=f"metadata.name={name}")
            for found in listing.items:
                if seen(found.json()):
                    return found.json()
            async with self.admin.transport.watch(PODS, since=listing.revision) as batches:
                async for batch in batches:
                    for event in batch:
                        if event.object.head.name == name and seen(event.object.json()):
                            return event.object.json()
        raise AssertionError("the watch ended")

    async def until_gone(self, name: str = "web") -> None:
        async with asyncio.timeout(60):
            listing = await self.admin.transport.list(PODS, field_selector=f"metadata.name={name}")
            if not listing.items:
                return
            async with self.admin.transport.watch(PODS, since=listing.revision) as batches:
                async for batch in batches:
                    if any(event.type == "DELETED" and event.object.head.name == name for event in batch):
                        return

    async def events(self) -> list[str]:
        """`Type Reason message` of every event told so far."""
        await self.kubelet.recorder.flush()
        found = [item.json() for item in (await self.admin.transport.list(EVENTS)).items]
        found.sort(key=lambda event: event["metadata"]["name"])
        return [f"{event['type']} {event['reason']} {event['message']}" for event in found]


@contextlib.asynccontextmanager
async def world(tmp_path: Path, course: Course | None = None, **others: Course) -> AsyncIterator[World]:
    """`course` is that of the image `app`; further ones by the image's short name."""
    env = SimulatedEnv(1)
    courses = {f"docker.io/library/{name}:latest": each for name, each in others.items()}
    runtime = FakeRuntime(env, courses={NORMALISED: course or Course(), **courses})
    async with serving(env) as server:
        yield World(server, runtime, tmp_path / "node", env)


@contextlib.asynccontextmanager
async def serving(env: Env) -> AsyncIterator[ApiServer]:
    """The API with a default service account and its certificate bundle."""
    server = ApiServer(
        Config(token_key=new_signing_key(), ca=b"CA"), MemoryStorage(), env, RefusingDialer("no streams in this test")
    )
    await server.start()
    try:
        admin = Rest(server.transport("kubernetes-admin", ["system:masters"]))
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await admin.create(SERVICEACCOUNTS, "default", account)
        bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}}
        await admin.create(CONFIGMAPS, "default", bundle | {"data": {"ca.crt": "the authority"}})
        yield server
    finally:
        await server.stop()


def ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def phase(wanted: str) -> Callable[[dict[str, Any]], bool]:
    return lambda pod: pod["status"].get("phase") == wanted


def waiting(reason: str) -> Callable[[dict[str, Any]], bool]:
    """The first container waits for this reason."""

    def seen(pod: dict[str, Any]) -> bool:
        statuses = pod["status"].get("containerStatuses", [{}])
        return statuses[0].get("state", {}).get("waiting", {}).get("reason") == reason

    return seen
