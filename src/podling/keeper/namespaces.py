"""The node's namespaces and those of its Pods.

A namespace lives while a bind mount holds it, so a Pod needs no pause process; the mounts are in the keeper's own
mount namespace, so they vanish with it. Single-threaded as the keeper is, it may step into another namespace and back.
"""

from __future__ import annotations

import os
import socket

from podling.keeper import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHARED_MEMORY, PROCESSES = "shm", "pid"
KINDS = {"net": kernel.NEWNET, "ipc": kernel.NEWIPC, "uts": kernel.NEWUTS}


class Namespaces:
    """`folder` is the keeper's private tmpfs, `host_net` a descriptor of the host's network namespace."""

    def __init__(self, folder: str, host_net: int) -> None:
        self._folder, self._host_net = folder, host_net
        kinds = (*KINDS, "mnt", PROCESSES)
        self._own = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds}

    def path(self, sandbox: str, kind: str) -> str:
        """What a runtime is told to join: the Pod's namespace, or the node's where the Pod has none of its own."""
        path = f"{self._folder}/{sandbox}/{kind}"
        if kind == SHARED_MEMORY:
            return path if os.path.exists(path) else "/dev/shm"
        return path if os.path.exists(path) else f"/proc/1/ns/{kind}"

    def open(self, sandbox: str, kind: str) -> int:
        return os.open(self.path(sandbox, kind), os.O_RDONLY | os.O_CLOEXEC)

    def own(self, kind: str) -> int:
        return self._own[kind]

    def create(self, sandbox: str, kinds: list[str], hostname: str, sysctls: Mapping[str, str]) -> None:
        """Raises OSError; nothing is left then."""
        folder = f"{self._folder}/{sandbox}"
        os.makedirs(folder, exist_ok=True)
        flags = 0
        for kind in kinds:
            flags |= KINDS[kind]
        try:
            kernel.unshare(flags)
            try:
                if "uts" in kinds:
                    kernel.sethostname(hostname)
                for name, value in sysctls.items():
                    _sysctl(name, value)
                for kind in kinds:
                    os.close(os.open(f"{folder}/{kind}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
                    kernel.mount(f"/proc/self/ns/{kind}", f"{folder}/{kind}", flags=kernel.MS_BIND)
                if "ipc" in kinds:
                    _shared_memory(f"{folder}/{SHARED_MEMORY}")
            finally:
                for kind in kinds:
                    kernel.setns(self._own[kind], KINDS[kind])
        except OSError:
            self.remove(sandbox)
            raise

    def create_processes(self, sandbox: str, spawn: Callable[[], int]) -> int:
        """A process namespace for the whole sandbox: what `spawn` starts is its first process, and its life is that of
        all others in it. Returns its number. Raises OSError."""
        kernel.unshare(kernel.NEWPID)
        try:
            pid = spawn()
        finally:
            kernel.setns(self._own[PROCESSES], kernel.NEWPID)
        path = f"{self._folder}/{sandbox}/{PROCESSES}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        kernel.mount(f"/proc/{pid}/ns/pid", path, flags=kernel.MS_BIND)
        return pid

    def shares_processes(self, sandbox: str) -> bool:
        return os.path.exists(f"{self._folder}/{sandbox}/{PROCESSES}")

    def remove(self, sandbox: str) -> None:
        folder = f"{self._folder}/{sandbox}"
        if not os.path.isdir(folder):
            return
        for name in os.listdir(folder):
            try:
                kernel.unmount(f"{folder}/{name}")
            except OSError as error:
                if error.errno != 22:  # EINVAL: the file is there, the mount never came
                    raise
            os.rmdir(f"{folder}/{name}") if name == SHARED_MEMORY else os.unlink(f"{folder}/{name}")
        os.rmdir(folder)

    def socket_in(self, sandbox: str) -> socket.socket:
        """An unconnected TCP socket that belongs to the Pod's network."""
        fd = self.open(sandbox, "net")
        try:
            kernel.setns(fd, kernel.NEWNET)
            try:
                return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            finally:
                kernel.setns(self._own["net"], kernel.NEWNET)
        finally:
            os.close(fd)

    def listen_on_host(self, address: str, port: int, protocol: str) -> socket.socket:
        """A listener in the host's network namespace, by the host's own rules (a port in use is EADDRINUSE)."""
        kernel.setns(self._host_net, kernel.NEWNET)
        try:
            kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
            listener = socket.socket(socket.AF_INET, kind)
            try:
                if protocol == "tcp":
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                if protocol == "tcp":
                    listener.listen(1024)
            except OSError:
                listener.close()
                raise
            return listener
        finally:
            kernel.setns(self._own["net"], kernel.NEWNET)


def _shared_memory(folder: str) -> None:
    """/dev/shm belongs to the Pod, as its other ways of interprocess communication do."""
    os.mkdir(folder)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("shm", folder, "tmpfs", flags, "mode=1777,size=64m")


def _sysctl(name: str, value: str) -> None:
    path = name.translate({ord("."): "/", ord("/"): "."})  # a dot inside of a part is written as a slash
    with open(f"/proc/sys/{path}", "w", encoding="ascii") as setting:
        setting.write(value)
