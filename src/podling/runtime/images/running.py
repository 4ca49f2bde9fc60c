"""RUN: a command of a build in a container of a node made for this build and gone with it.

The container is a real one (own namespaces, the same runtime as Pods), has no network, and what it wrote is the new
layer. The keeper is started at the first RUN that the cache does not answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from podling.env import Env
from podling.keeper.client import KeeperClient, KeeperRefused
from podling.keeper.launch import KeeperError, KeeperHandle, clean_up, start_keeper
from podling.runtime import complaints, rootfs
from podling.runtime.bundles import Bundles
from podling.runtime.images.config import Settings
from podling.runtime.images.host import STANDARD_PATH
from podling.runtime.interface import ContainerConfig, SandboxConfig
from podling.runtime.machine import NoRuntime, find_binary, this_host
from podling.runtime.rootfs import Layers
from podling.runtime.spec import Image, oci_spec
from podling.runtime.users import Identity
from podling.wire.cri_log import parse

SECONDS = 24 * 3600.0


class RunError(Exception):
    """The command did not start or ended badly; the text says which."""


class Command(NamedTuple):
    """`argv` as `identity` in the tree of `layers`, with the image's own settings (environment, working folder)."""

    argv: tuple[str, ...]
    layers: Layers
    settings: Settings
    identity: Identity
    extra: tuple[tuple[str, str], ...] = ()


class BuildNode:
    """Runs commands one after the other under `folder`; `async with` it."""

    def __init__(self, folder: Path, env: Env, say: Callable[[str], None]) -> None:
        self._folder, self._env, self._say = folder, env, say
        self._cluster = f"build-{env.suffix(8)}"
        self._keeper: KeeperHandle | None = None
        self._client: KeeperClient | None = None
        self._count = 0

    async def __aenter__(self) -> BuildNode:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        if self._keeper is not None:
            self._keeper.kill()
            await self._env.in_thread(self._keeper.wait, 5)
            await self._env.in_thread(clean_up, self._cluster, "build")

    async def run(self, command: Command) -> Path:
        """Run to its end; returns the folder with what it wrote. Raises RunError."""
        client = await self._started()
        self._count += 1
        name = f"run{self._count}"
        try:
            await self._run(client, name, command)
        except (KeeperRefused, NoRuntime) as error:
            raise RunError(complaints.start_failure("crun", str(error), command.argv[0])) from None
        record = await client.call("container", id=name)
        self._print(name)
        await client.call("remove_container", id=name)
        if record["exit_code"] != 0:
            shown = " ".join(command.argv)
            raise RunError(f"The command '{shown}' returned a non-zero code: {record['exit_code']}")
        return _collected(self._folder / "bundles" / name)

    async def _run(self, client: KeeperClient, name: str, command: Command) -> None:
        sandbox = SandboxConfig("build", "build", "", "build", "build")
        config = ContainerConfig(name, name, "", command.argv, env=command.extra)
        paths = await client.call("sandbox_paths", id="build")
        group = f"{(await client.hello())['group']}/{name}"
        image = Image(command.settings, command.layers.path or STANDARD_PATH, command.layers.binds)
        spec = oci_spec(config, sandbox, image, command.identity, paths, group, this_host())
        folder = Bundles(self._folder / "bundles").write(name, spec)
        await client.call(
            "create_container",
            id=name,
            sandbox="build",
            bundle=str(folder),
            runtime=_any_binary(),
            cgroup=group,
            mounts=rootfs.mounts(command.layers, folder, False),
            tty=False,
            stdin=False,
            stdin_once=False,
            log_path=str(self._folder / f"{name}.log"),
            stop_signal=15,
            labels={},
        )
        await client.call("start_container", id=name)
        await client.call("wait_container", id=name, seconds=SECONDS)

    async def _started(self) -> KeeperClient:
        if self._client is None:
            try:
                self._keeper = await self._env.in_thread(start_keeper, self._folder, self._cluster, "build")
            except KeeperError as error:
                raise RunError(f"RUN needs root and a container runtime: {error}") from None
            self._client = KeeperClient(self._keeper.socket)
            await self._client.call(
                "create_sandbox", id="build", own=["net", "ipc", "uts"], hostname="build", labels={}, cgroup=""
            )
        return self._client

    def _print(self, name: str) -> None:
        log = self._folder / f"{name}.log"
        if log.exists():
            for line in parse(log.read_bytes()):
                self._say(line.text.decode("utf-8", "replace").rstrip("\n"))


def _any_binary() -> str:
    try:
        return find_binary("crun")
    except NoRuntime:
        return find_binary("runc")


def _collected(folder: Path) -> Path:
    """One tree of what was written, /usr of a host image included."""
    upper, usr = folder / "upper", folder / "upper-usr"
    if usr.is_dir():
        shutil.rmtree(upper / "usr", ignore_errors=True)
        usr.rename(upper / "usr")
    return upper
