"""The runtime of real containers: crun or runc, through the keeper.

This class decides and remembers nothing that the keeper does not hold: sandboxes and containers carry their
configuration as labels, so that a node process born after a crash continues where its predecessor was.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from podling.env import Env
from podling.keeper.client import KeeperClient, KeeperGone, KeeperRefused
from podling.keeper.rootfs import mount_all
from podling.runtime import complaints, rootfs, seccomp, users
from podling.runtime.bundles import Bundles
from podling.runtime.images.host import STANDARD_PATH
from podling.runtime.images.service import ImageService
from podling.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerEvent,
    ExecResult,
    Image,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Stats,
)
from podling.runtime.keeping import Held, container_of, sandbox_of, session_of, signal_number
from podling.runtime.machine import find_binary, this_host, version_of
from podling.runtime.spec import Image as SpecImage
from podling.runtime.spec import oci_spec, refused

log = logging.getLogger("podling.runtime")

_POD_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class Network(Protocol):
    """What connects a sandbox: `podling.network.pod.PodNetwork`."""

    async def add(self, sandbox_id: str, netns_fd: int) -> str: ...

    async def remove(self, sandbox_id: str) -> None: ...

    def adopt(self, sandbox_id: str, ip: str) -> None: ...


class OciRuntime:
    """`runtime.interface.Runtime` over a keeper. `state` is the node's folder; `node_ip` that of host network Pods."""

    simulated = False

    def __init__(
        self,
        keeper: KeeperClient,
        images: ImageService,
        network: Network,
        env: Env,
        *,
        state: Path,
        node_ip: str,
        binary: Literal["crun", "runc"] = "crun",
        concurrency: int = 8,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        """Raises NoRuntime. `say` hears once of each limit that this machine cannot enforce."""
        self._keeper, self._images, self._network, self._env = keeper, images, network, env
        self._node_ip, self._say = node_ip, say
        self._binary = find_binary(binary)
        self.name, self.version = binary, version_of(self._binary)
        self._host = this_host()
        self._bundles = Bundles(state / "bundles")
        self._slots = asyncio.Semaphore(concurrency)
        self._held: dict[str, Held] = {}
        self._said: set[str] = set()
        self._swept = False
        self._mounting = threading.Lock()

    # -- everything that is held --------------------------------------------------------------------------------

    async def list(self) -> tuple[tuple[Sandbox, ...], tuple[Container, ...]]:
        """Also makes this runtime know them: call it first in a process that did not make them."""
        found = await self._call("inventory")
        for record in found["sandboxes"]:
            held = msgspec.convert(record["labels"], Held)
            if record["id"] not in self._held and record["ready"] and held.ip and not held.config.host_network:
                self._network.adopt(record["id"], held.ip)
            self._held[record["id"]] = held
        if not self._swept:
            self._swept = True
            await self._env.in_thread(self._bundles.sweep, {record["id"] for record in found["containers"]})
        return tuple(map(sandbox_of, found["sandboxes"])), tuple(map(self._container, found["containers"]))

    async def container(self, container: str) -> Container | None:
        record = await self._call("container", id=container)
        return self._container(record) if record else None

    def _container(self, record: dict[str, Any]) -> Container:
        found = container_of(record)
        if not found.started_at and found.message:
            return msgspec.structs.replace(found, message=self._in_words(found.id, found.message))
        return found

    def _in_words(self, container: str, said: str) -> str:
        """What the runtime said when a start failed, as users know it."""
        try:
            program = self._bundles.process(container, (), False)["args"][0]
        except FileNotFoundError:
            return said
        return complaints.start_failure(self.name, said, program)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[ContainerEvent]]:
        async with self._keeper.events() as heard:
            yield (msgspec.convert(event, ContainerEvent) async for event in heard)

    async def stats(self) -> tuple[Stats, ...]:
        return msgspec.convert(await self._call("stats"), tuple[Stats, ...])

    async def written(self, container: str) -> int:
        return await self._env.in_thread(self._bundles.written, container)

    # -- sandboxes ----------------------------------------------------------------------------------------------

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        own = ["uts"] + ([] if config.host_network else ["net"]) + ([] if config.host_ipc else ["ipc"])
        own += ["pid"] if config.shared_pid and not config.host_pid else []
        sysctls = dict(config.sysctls)
        if not config.host_network:
            sysctls = _POD_SYSCTLS | sysctls
        held = Held(config)
        async with self._slots:
            _, fds = await self._call_fds(
                "create_sandbox",
                id=config.id,
                own=own,
                hostname=config.hostname,
                sysctls=sysctls,
                labels=msgspec.to_builtins(held),
                cgroup=await self._group(config),
                reason="FailedCreatePodSandBox",
            )
            ip = await self._plug(config, fds[0])
        self._held[config.id] = held = Held(config, ip)
        await self._call("label_sandbox", id=config.id, labels=msgspec.to_builtins(held))
        return Sandbox(config.id, config.pod_uid, config.namespace, config.name, ip, True, config.labels)

    async def _plug(self, config: SandboxConfig, netns: int) -> str:
        """The sandbox's address; without one the sandbox goes again, also when this is cancelled."""
        try:
            return self._node_ip if config.host_network else await self._network.add(config.id, netns)
        except BaseException as error:
            await self._call("remove_sandbox", id=config.id)
            if isinstance(error, Exception):
                text = f'failed to setup network for sandbox "{config.id}": {error}'
                raise RuntimeFailure(text, "FailedCreatePodSandBox") from error
            raise
        finally:
            os.close(netns)

    async def stop_sandbox(self, sandbox: str) -> None:
        held = await self._known(sandbox)
        if held is None:
            return
        await self._call("stop_sandbox", id=sandbox)
        if not held.config.host_network:
            await self._network.remove(sandbox)

    async def remove_sandbox(self, sandbox: str) -> None:
        found = await self._call("inventory")
        await self.stop_sandbox(sandbox)
        await self._call("remove_sandbox", id=sandbox)
        for record in found["containers"]:
            if record["sandbox"] == sandbox:
                await self._env.in_thread(self._bundles.remove, record["id"])
        self._held.pop(sandbox, None)

    async def connect(self, sandbox: str, port: int) -> socket.socket:
        _, fds = await self._call_fds("socket_in_sandbox", id=sandbox)
        connection = socket.socket(fileno=fds[0])
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except OSError:
            connection.close()
            raise
        return connection

    # -- containers ---------------------------------------------------------------------------------------------

    async def create_container(self, sandbox: str, config: ContainerConfig) -> None:
        held = await self._known(sandbox)
        if held is None:
            raise RuntimeFailure(f"no sandbox {sandbox}", "CreateContainerError")
        if await self.container(config.id) is not None:
            return
        self._complain(config)
        paths = await self._call("sandbox_paths", id=sandbox) | await self._processes_of(config)
        cgroup = f"{await self._group(held.config)}/{config.id}"
        async with self._slots:
            mounts = await self._env.in_thread(self._prepare, config, held.config, paths, cgroup)
            await self._call(
                "create_container",
                id=config.id,
                sandbox=sandbox,
                bundle=str(self._bundles.folder(config.id)),
                runtime=self._binary,
                cgroup=cgroup,
                mounts=mounts,
                tty=config.tty,
                stdin=config.stdin,
                stdin_once=config.stdin_once,
                log_path=config.log_path,
                stop_signal=signal_number(config.stop_signal or self._images.settings(config.image).stop_signal),
                labels={"name": config.name, "image": config.image, "labels": dict(config.labels)},
                reason="CreateContainerError",
            )

    async def _processes_of(self, config: ContainerConfig) -> dict[str, str]:
        if not config.processes_of:
            return {}
        target = await self._call("container", id=config.processes_of)
        if target is None or target["state"] != "running":
            raise RuntimeFailure(f"container {config.processes_of} is not running", "CreateContainerError")
        return {"pid": f"/proc/{target['pid']}/ns/pid"}

    def _prepare(
        self, config: ContainerConfig, sandbox: SandboxConfig, paths: dict[str, str], cgroup: str
    ) -> Sequence[dict[str, Any]]:
        """In a thread: files only. Raises RuntimeFailure."""
        layers, settings = self._images.layers(config.image), self._images.settings(config.image)
        user, group = config.security.user_name or settings.user, config.security.group
        passwd, groups = rootfs.read_text(layers, "etc/passwd"), rootfs.read_text(layers, "etc/group")
        try:
            security = config.security
            identity = users.resolve(
                user, security.user, group, security.supplemental_groups, passwd, groups, security.strict_groups
            )
        except users.UnknownUser as error:
            raise RuntimeFailure(str(error), "CreateContainerError") from None
        image = SpecImage(settings, layers.path or STANDARD_PATH, layers.binds)
        spec = oci_spec(config, sandbox, image, identity, paths, cgroup, self._host)
        if security.seccomp and not security.privileged:
            try:
                given = spec["process"]["capabilities"]["bounding"]
                spec["linux"]["seccomp"] = seccomp.profile_of(security.seccomp, given)
            except seccomp.BadProfile as error:
                raise RuntimeFailure(str(error), "CreateContainerError") from error
        if not spec["process"]["args"]:
            raise RuntimeFailure("no command specified", "CreateContainerError")
        folder = self._bundles.write(config.id, spec)
        self._images.hold(config.image, config.id, folder)
        return rootfs.mounts(layers, folder, config.security.read_only_root)

    async def start_container(self, container: str) -> None:
        async with self._slots:
            try:
                await self._call("start_container", id=container)
            except RuntimeFailure as failure:
                raise RuntimeFailure(self._in_words(container, failure.message)) from None

    async def update_container(self, container: str, resources: Resources, labels: Mapping[str, str]) -> None:
        found = await self._call("container", id=container)
        if found is None:
            raise RuntimeFailure(f"no container {container}")
        kept = {**found["labels"], "labels": dict(labels)}
        await self._call("update_container", id=container, resources=msgspec.to_builtins(resources), labels=kept)

    async def stop_container(self, container: str, grace: float) -> None:
        found = await self._call("container", id=container)
        if found is None or found["state"] != "running":
            return
        if grace > 0:
            await self._call("kill_container", id=container, signal=found["stop_signal"])
            if (await self._call("wait_container", id=container, seconds=grace))["ended"]:
                return
        await self._call("kill_container", id=container, signal=signal.SIGKILL)
        await self._call("wait_container", id=container, seconds=60)

    async def remove_container(self, container: str) -> None:
        await self._call("remove_container", id=container)
        await self._env.in_thread(self._bundles.remove, container)

    async def reopen_log(self, container: str) -> None:
        await self._call("reopen_log", id=container)

    # -- exec and attach ----------------------------------------------------------------------------------------

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: float) -> ExecResult:
        process = self._process(container, command, False)
        try:
            done = await self._call("exec_sync", id=container, process=process, timeout=timeout)
        except RuntimeFailure as failure:
            raise RuntimeFailure(complaints.exec_failure(self.name, failure.message, command[0])) from None
        return ExecResult(done["exit_code"], base64.b64decode(done["output"]), done["timed_out"])

    async def exec(
        self,
        container: str,
        command: tuple[str, ...],
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
    ) -> socket.socket:
        process = self._process(container, command, tty)
        streams: dict[str, Any] = {"tty": tty, "stdin": stdin, "stdout": stdout, "stderr": stderr}
        try:
            _, fds = await self._call_fds("exec", id=container, process=process, **streams)
        except RuntimeFailure as failure:
            raise RuntimeFailure(complaints.exec_failure(self.name, failure.message, command[0])) from None
        return session_of(fds[0])

    async def attach(
        self, container: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        _, fds = await self._call_fds("attach", id=container, stdin=stdin, stdout=stdout, stderr=stderr)
        return session_of(fds[0])

    def _process(self, container: str, command: tuple[str, ...], tty: bool) -> dict[str, Any]:
        try:
            return self._bundles.process(container, command, tty)
        except FileNotFoundError:
            raise RuntimeFailure(f"no container {container}") from None

    # -- images -------------------------------------------------------------------------------------------------

    async def ensure_image(
        self, image: str, policy: Literal["Always", "IfNotPresent", "Never"], logins: tuple[str, ...] = ()
    ) -> Image:
        return await self._images.ensure(image, policy, logins)

    async def images(self) -> tuple[Image, ...]:
        return self._images.list()

    async def remove_image(self, image: str) -> None:
        await self._env.in_thread(self._images.remove, image)

    async def mount_image(self, image: str, target: str, user: str) -> None:
        await self._env.in_thread(self._mount_image, image, Path(target), user)

    def _mount_image(self, image: str, place: Path, user: str) -> None:
        layers = self._images.layers(image)
        self._images.hold(image, user, place)
        try:
            with self._mounting:
                if not place.is_mount():
                    mount_all(rootfs.read_only_mounts(layers, place))
        except OSError as error:
            raise RuntimeFailure(f"failed to mount image {image}: {error}", "CreateContainerError") from error

    # -- the keeper ---------------------------------------------------------------------------------------------

    async def _call(self, op: str, *, reason: str = "RunContainerError", **arguments: Any) -> Any:
        value, fds = await self._call_fds(op, reason=reason, **arguments)
        for fd in fds:
            os.close(fd)
        return value

    async def _call_fds(
        self, op: str, *, reason: str = "RunContainerError", **arguments: Any
    ) -> tuple[Any, tuple[int, ...]]:
        try:
            return await self._keeper.call_fds(op, **arguments)
        except KeeperRefused as refusal:
            raise RuntimeFailure(refusal.message, reason) from None
        except KeeperGone as gone:
            raise RuntimeFailure(str(gone), reason) from None

    async def _group(self, config: SandboxConfig) -> str:
        hello = await self._keeper.hello()
        return f"{hello['group']}/{config.cgroup or 'pod' + config.pod_uid}"

    async def _known(self, sandbox: str) -> Held | None:
        if sandbox not in self._held:
            await self.list()
        return self._held.get(sandbox)

    def _complain(self, config: ContainerConfig) -> None:
        for sentence in refused(config.resources, self._host):
            if sentence not in self._said:
                self._said.add(sentence)
                self._say(sentence)
