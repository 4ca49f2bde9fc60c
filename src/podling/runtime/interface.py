"""What a kubelet needs of a container runtime: sandboxes, containers, exec, events, images.

The shape is CRI's (the Container Runtime Interface), reduced to what the kubelet uses. Every implementation passes
`tests/suites/runtime.py`. State survives the caller: `list()` tells a newborn kubelet everything, because whoever
holds the containers (the keeper) also keeps the labels and exit codes.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec


class Mount(msgspec.Struct, frozen=True):
    """A bind mount into a container. `source` is a path in the node's mount namespace."""

    source: str
    target: str
    read_only: bool = False
    no_exec: bool = False


class Resources(msgspec.Struct, frozen=True):
    """cgroup settings; None leaves one alone. Memory in bytes, CPU in shares and in microseconds per period."""

    memory_limit: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int = 100_000
    pids_limit: int | None = None
    oom_score_adj: int | None = None


class Security(msgspec.Struct, frozen=True):
    """What of a (Pod's and container's) securityContext reaches the runtime."""

    user: int | None = None
    group: int | None = None
    user_name: str = ""
    supplemental_groups: tuple[int, ...] = ()
    strict_groups: bool = False
    """Only the groups named here, not those that the image gives the user."""
    unmasked_proc: bool = False
    seccomp: str = ""
    """`RuntimeDefault`, or the path of a profile; empty lets every system call through."""
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()


class SandboxConfig(msgspec.Struct, frozen=True):
    """A Pod's namespaces. `id` is chosen by the caller (unique for ever); labels come back from `list`."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    hostname: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    shared_pid: bool = False
    """Its containers see one another's processes."""
    sysctls: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    cgroup: str = ""
    """Path below the node's cgroup, e.g. `besteffort/pod<uid>`."""


class Sandbox(msgspec.Struct, frozen=True):
    id: str
    pod_uid: str
    namespace: str
    name: str
    ip: str
    ready: bool
    labels: Mapping[str, str] = {}


class ContainerConfig(msgspec.Struct, frozen=True):
    """A container to be made in a sandbox. `command` and `args` as in a Pod: empty means the image's own."""

    id: str
    name: str
    image: str
    """The id of an image that `ensure_image` returned."""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    """Complete; the image's own environment is put before it by the runtime."""
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_path: str = ""
    """File for the CRI log, in the node's mount namespace; its folder exists."""
    labels: Mapping[str, str] = {}
    stop_signal: str = ""
    processes_of: str = ""
    """The id of a running container whose processes this one sees; it ends with it."""


class Container(msgspec.Struct, frozen=True):
    """What is known of a container. Times are wall clock in seconds, 0.0 where not yet."""

    id: str
    sandbox: str
    name: str
    state: Literal["created", "running", "exited"]
    image: str = ""
    labels: Mapping[str, str] = {}
    pid: int = 0
    """As seen from the host."""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    signal: int = 0
    oom_killed: bool = False
    message: str = ""
    """Why a start failed, in the runtime's words."""
    log_path: str = ""


class ContainerEvent(msgspec.Struct, frozen=True):
    """Something changed. `sandbox` is set always; look the rest up with `container`."""

    kind: Literal["started", "exited", "removed", "sandbox"]
    id: str
    sandbox: str


class ExecResult(msgspec.Struct, frozen=True):
    exit_code: int
    output: bytes
    """stdout and stderr together, cut at 16 KiB."""
    timed_out: bool = False


class Image(msgspec.Struct, frozen=True):
    """`id` is `sha256:<config digest>`; names are normalised (`docker.io/library/busybox:latest`)."""

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    pinned: bool = False
    """Made or loaded here: nobody could pull it again."""


class Stats(msgspec.Struct, frozen=True):
    """Usage of a container: CPU seconds since its start, working set bytes. The empty id is the whole node's."""

    id: str
    cpu_seconds: float
    memory_bytes: int


class RuntimeFailure(Exception):
    """The runtime could not do it. `reason` is the kubelet's word for a status or event."""

    def __init__(self, message: str, reason: str = "RunContainerError") -> None:
        """Reasons: CreateContainerError, RunContainerError, ErrImagePull, ErrImageNeverPull, InvalidImageName …"""
        super().__init__(message)
        self.message, self.reason = message, reason


class Runtime(Protocol):
    """The verbs. All ids are the caller's; every verb is idempotent where that makes sense."""

    @property
    def name(self) -> str:
        """`crun`, `runc` or `fake`."""

    @property
    def version(self) -> str: ...

    @property
    def simulated(self) -> bool:
        """True where no process runs: Pods then say so."""

    async def list(self) -> tuple[tuple[Sandbox, ...], tuple[Container, ...]]:
        """Everything that is held, exited containers included."""

    async def run_sandbox(self, config: SandboxConfig) -> Sandbox:
        """Namespaces and network are there; returns with the Pod's address."""

    async def stop_sandbox(self, sandbox: str) -> None:
        """Kill what still runs in it and give the address back."""

    async def remove_sandbox(self, sandbox: str) -> None:
        """Forget it and its containers."""

    async def create_container(self, sandbox: str, config: ContainerConfig) -> None:
        """Root file system and namespaces are made; nothing runs yet."""

    async def start_container(self, container: str) -> None:
        """Raises RuntimeFailure (`exec: "x": executable file not found in $PATH`)."""

    async def update_container(self, container: str, resources: Resources, labels: Mapping[str, str]) -> None:
        """Other cgroup settings and other labels for a running container. Raises RuntimeFailure; nothing has changed
        then, or only a part."""

    async def stop_container(self, container: str, grace: float) -> None:
        """The stop signal, then SIGKILL after `grace` seconds; returns when it has ended."""

    async def remove_container(self, container: str) -> None:
        """Kill it if it runs, remove its files except the log."""

    async def container(self, container: str) -> Container | None: ...

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[ContainerEvent]]:
        """From entering the block on; missed ones are made good by `list`."""

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: float) -> ExecResult: ...

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
        """A session socket: frames of `wire/session.py`; it outlives the caller's process."""

    async def attach(
        self, container: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        """The same to the container's own process."""

    async def connect(self, sandbox: str, port: int) -> socket.socket:
        """A TCP connection to 127.0.0.1:port inside the sandbox (port-forward). Raises OSError."""

    async def reopen_log(self, container: str) -> None:
        """After the log file was rotated."""

    async def stats(self) -> tuple[Stats, ...]: ...

    async def written(self, container: str) -> int:
        """Bytes on disk that its own file system takes beyond its image; 0 for a container nobody knows."""

    async def ensure_image(
        self, image: str, policy: Literal["Always", "IfNotPresent", "Never"], logins: tuple[str, ...] = ()
    ) -> Image:
        """The image, pulled where the policy asks; what was built or loaded here satisfies every policy. `logins`
        (`user:password`) are tried one after the other.
        Raises RuntimeFailure with ErrImagePull, ErrImageNeverPull or InvalidImageName."""

    async def images(self) -> tuple[Image, ...]: ...

    async def remove_image(self, image: str) -> None:
        """By its id; one that is gone is no error. Raises RuntimeFailure while a container stands on it."""

    async def mount_image(self, image: str, target: str, user: str) -> None:
        """Show the files of an image (by its id) at the folder `target`, read-only, in the node's mount namespace, for
        as long as it is mounted there; nothing happens where it is already. `user` is who holds the image meanwhile.
        """
