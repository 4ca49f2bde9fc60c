"""`python -m podling.keeper --state DIR --cluster NAME --node NAME`: become a node's pid 1.

The starter's process leaves its namespaces, forks once (the child is pid 1 of the new ones, as `unshare` rules it)
and ends when the child answers; the child belongs to nobody but the machine. Prints the child's pid as the host
counts it, or the reason on stderr with exit code 1.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys

from podling.keeper import cgroups, kernel
from podling.keeper.clock import now
from podling.keeper.loop import Loop
from podling.keeper.namespaces import Namespaces
from podling.keeper.node import Node
from podling.keeper.records import Records
from podling.keeper.server import Server

SOCKET, LOCK, LOG, RUN = "keeper.sock", "keeper.lock", "keeper.log", "run"


def main(arguments: list[str]) -> int:
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    state, group = given["--state"], cgroups.node_path(given["--cluster"], given["--node"])
    os.umask(0o077)
    os.makedirs(state, mode=0o700, exist_ok=True)
    lock = os.open(f"{state}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"a keeper runs already for {state}", file=sys.stderr)
        return 1
    try:
        return _start(state, group, given["--node"], lock)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"cannot make the node's namespaces: {error.strerror}{place}", file=sys.stderr)
        return 1


def _start(state: str, group: str, hostname: str, lock: int) -> int:
    host_net = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    host_proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if os.getsid(0) != os.getpid():
        os.setsid()
    cgroups.join(cgroups.discover(), f"{group}/keeper")
    flags = kernel.NEWNS | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWPID
    kernel.unshare(flags)
    read, write = os.pipe2(os.O_CLOEXEC)
    told_read, told_write = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(read)
        os.close(told_write)
        try:
            _become(state, group, hostname, host_net, host_proc, int(os.read(told_read, 20)), write)
        finally:
            os._exit(1)
    os.close(write)
    os.write(told_write, str(child).encode())
    answer = os.read(read, 4096)
    if answer != b"ready":
        print(answer.decode() or f"the keeper ended, see {state}/{LOG}", file=sys.stderr)
        return 1
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(child).encode(), 0)
    print(child)
    return 0


def _become(state: str, group: str, hostname: str, host_net: int, host_proc: int, pid: int, ready: int) -> None:
    try:
        run = _own_mounts(state)
        kernel.sethostname(hostname)
        _daemonise(state)
        listener = _bind(state)
        os.umask(0o022)  # what containers inherit
        os.chdir(run)
        os.makedirs("oci", exist_ok=True)
        records = Records(state)
        records.bury(now())
        loop = Loop()
        Server(Node(loop, records, Namespaces(f"{run}/ns", host_net), group, host_proc, pid), listener)
    except OSError as error:
        os.write(ready, f"{error.strerror} ({error.filename})".encode())
        raise
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    os.write(ready, b"ready")
    os.close(ready)
    loop.run()
    os._exit(0)


def _own_mounts(state: str) -> str:
    """Private mounts, our own /proc, a tmpfs for what must not outlive us; returns its path."""
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", flags)
    hybrid = cgroups.discover().hybrid
    if hybrid:
        # crun refuses a hybrid host while it sees the v2 tree; merely unmounting it lets crun write to the host's
        # tmpfs below.
        kernel.mount("tmpfs", hybrid, "tmpfs", flags, "size=16m,mode=755")
    run = f"{os.path.realpath(state)}/{RUN}"
    os.makedirs(run, mode=0o700, exist_ok=True)
    kernel.mount("tmpfs", run, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=700")
    return run


def _bind(state: str) -> socket.socket:
    os.chdir(state)  # the path may be longer than a socket's address
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen(64)
    return listener


def _daemonise(state: str) -> None:
    """No terminal, no descriptor of the starter's; messages go to the log."""
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(f"{state}/{LOG}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
