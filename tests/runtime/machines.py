"""A node for tests: a keeper of its own, a runtime on it, images in a folder, and no network but loopback."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from podling.env import SystemEnv
from podling.keeper.client import KeeperClient
from podling.keeper.launch import KeeperHandle, clean_up, find_keeper, start_keeper
from podling.network import netlink
from podling.network.namespaces import netlink_inside
from podling.runtime.images import names
from podling.runtime.images.config import HOST_LABEL, ImageConfig, RootFs, Settings
from podling.runtime.images.service import ImageService
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.interface import Container, ContainerConfig, Sandbox, SandboxConfig
from podling.runtime.oci import OciRuntime

real = pytest.mark.real


class Loopback:
    """A network of no cables: every sandbox has its own loopback and an address that nobody can reach."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    async def add(self, sandbox_id: str, netns_fd: int) -> str:
        with netlink_inside(netns_fd) as inside:
            inside.run([netlink.link_up(1)])
        free = (f"10.244.0.{n}" for n in range(2, 255))
        return self._taken.setdefault(sandbox_id, next(a for a in free if a not in self._taken.values()))

    async def remove(self, sandbox_id: str) -> None:
        self._taken.pop(sandbox_id, None)

    def adopt(self, sandbox_id: str, ip: str) -> None: ...


class NoRegistry:
    async def pull(self, reference: names.Reference, logins: tuple[str, ...] = ()) -> Entry:
        raise ImageError("there is no registry in this test")


def host_image(store: ImageStore, name: str = "docker.io/library/host:latest", **settings: object) -> Entry:
    """An image that is nothing but the machine's own /usr."""
    config = ImageConfig("amd64", "linux", RootFs(), Settings(labels={HOST_LABEL: "host"}, **settings))  # type: ignore[arg-type]
    return store.add(msgspec.json.encode(config), (name,), local=True)


@dataclass
class Machine:
    state: Path
    cluster: str
    keeper: KeeperHandle
    client: KeeperClient
    store: ImageStore
    runtime: OciRuntime
    count: int = 0

    def reborn(self) -> OciRuntime:
        """The runtime of a node process that knows nothing yet, on a connection of its own."""
        self.client.close()
        self.client = KeeperClient(self.keeper.socket)
        self.runtime = make_runtime(self.client, self.store, self.state, self.runtime.name)
        return self.runtime

    async def sandbox(self, **changes: object) -> Sandbox:
        self.count += 1
        name = f"s{self.count}"
        config = SandboxConfig(name, f"uid-{name}", "default", name, name)
        return await self.runtime.run_sandbox(msgspec.structs.replace(config, **changes))

    async def run(self, sandbox: Sandbox, *command: str, **changes: object) -> str:
        """Create and start a container of the host image; returns its id."""
        config = self.config(*command, **changes)
        await self.runtime.create_container(sandbox.id, config)
        await self.runtime.start_container(config.id)
        return config.id

    def config(self, *command: str, **changes: object) -> ContainerConfig:
        self.count += 1
        name = f"c{self.count}"
        image = self.store.find("host")
        assert image is not None
        config = ContainerConfig(name, name, image.id, command, log_path=str(self.log(name)))
        return msgspec.structs.replace(config, **changes)

    def log(self, container: str) -> Path:
        return self.state / f"{container}.log"

    def output(self, container: str) -> list[str]:
        """`stream tag text` of each line of the container's log."""
        return [line.split(" ", 1)[1] for line in self.log(container).read_text().splitlines()]

    async def ended(self, container: str) -> Container:
        await self.client.call("wait_container", id=container, seconds=10)
        found = await self.runtime.container(container)
        assert found is not None
        return found


def make_runtime(client: KeeperClient, store: ImageStore, state: Path, binary: str) -> OciRuntime:
    env = SystemEnv()
    images = ImageService(store, NoRegistry(), env)
    return OciRuntime(client, images, Loopback(), env, state=state, node_ip="172.31.0.2", binary=binary)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def machine(binary: str = "crun") -> AsyncIterator[Machine]:
    # In memory: a disk on which thousands of files have just been deleted makes new ones a hundred times slower.
    with tempfile.TemporaryDirectory(prefix="podling-test-", dir="/dev/shm") as folder:
        state, cluster = Path(folder) / "node", Path(folder).name
        keeper = start_keeper(state, cluster, "n1")
        try:
            client = KeeperClient(keeper.socket)
            store = ImageStore(Path(folder) / "images")
            host_image(store)
            yield Machine(state, cluster, keeper, client, store, make_runtime(client, store, state, binary))
            client.close()
        finally:
            keeper.kill()
            keeper.wait(5)
            clean_up(cluster, "n1")


__all__ = ["Machine", "find_keeper", "host_image", "machine", "real"]
