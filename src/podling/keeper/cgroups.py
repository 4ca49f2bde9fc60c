"""Control groups of a node, found by their names alone.

Everything of a node lies under `/podling/<cluster>/<node>` in every hierarchy, so that cleaning up needs no state:
what is listed there is killed, what is there is removed. v1, hybrid and v2 hosts differ only in where the
hierarchies are mounted, which the kernel says itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "podling"


def node_path(cluster: str, node: str) -> str:
    """The absolute path of a node's group, the same in every hierarchy."""
    return _ours(f"/{ROOT}/{cluster}/{node}")


def _ours(path: str) -> str:
    """What is killed and removed by name must be below our own root. Raises ValueError."""
    parts = path.split("/")
    if parts[:2] != ["", ROOT] or len(parts) < 3 or not all(parts[1:]) or {".", ".."} & set(parts):
        raise ValueError(f"{path!r} is not a group of ours")
    return path


class Hierarchies:
    """Where which controller lives. `unified` is a v2 tree that is the only one (no hybrid's remnant)."""

    def __init__(self, mounts: dict[str, str], unified: str, hybrid: str, cover: str = "") -> None:
        """`cover`: where the keeper's own tmpfs hides a hybrid's remnant; runtimes leave plain files in it."""
        self.controllers, self.unified, self.hybrid, self.cover = mounts, unified, hybrid, cover

    def folders(self, path: str) -> Iterator[str]:
        """The folder of group `path` in every hierarchy, whether or not it is there."""
        roots = {*self.controllers.values(), self.unified, self.hybrid} - {""}
        for root in sorted(roots):
            yield root + path

    def folder(self, controller: str, path: str) -> str:
        """The folder where `controller` acts on group `path`; empty if the host has no such controller."""
        root = self.controllers.get(controller) or self.unified
        return root + path if root else ""


def discover(table: str = "/proc/self/mounts") -> Hierarchies:
    """Read the mounts of the calling process. A tree that something was mounted over is not seen."""
    trees: dict[str, tuple[str, str]] = {}
    with open(table, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            _, target, kind, options, *_ = line.split(" ")
            trees[target.encode().decode("unicode_escape") if "\\" in target else target] = (kind, options)
    controllers: dict[str, str] = {}
    second = cover = ""
    for target, (kind, options) in trees.items():
        if kind == "cgroup":
            controllers.update(dict.fromkeys(options.split(","), target))
        elif kind == "cgroup2":
            second = second or target
        elif kind == "tmpfs" and target.startswith("/sys/fs/cgroup/"):
            cover = target
    if any(name in controllers for name in ("cpu", "memory", "pids")):
        return Hierarchies(controllers, "", second, cover)
    return Hierarchies(controllers, second, "")


def available(where: Hierarchies) -> frozenset[str]:
    """The controllers that this host can enforce something with."""
    if not where.unified:
        return frozenset(where.controllers)
    try:
        with open(f"{where.unified}/cgroup.controllers", encoding="ascii") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def counts_swap(where: Hierarchies) -> bool:
    """Whether memory and swap can be limited together; v2 says it only in the groups below, so not there."""
    return os.path.exists(f"{where.controllers.get('memory', '')}/memory.memsw.limit_in_bytes")


def join(where: Hierarchies, path: str) -> None:
    """Put the calling process into group `path`; a hierarchy that does not let it in is left out."""
    for folder in where.folders(path):
        if folder == where.controllers.get("cpuset", "") + path:
            continue  # a new cpuset has no CPUs, nothing may enter
        try:
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as members:
                members.write("0")
        except OSError:
            continue


def members(where: Hierarchies, path: str) -> set[int]:
    """Process ids of the group and those below, in the calling process' own counting; 0 for those it cannot name."""
    pids: set[int] = set()
    for top in where.folders(_ours(path)):
        for folder, _, _ in os.walk(top):
            try:
                with open(f"{folder}/cgroup.procs", encoding="ascii") as listed:
                    pids.update(int(pid) for pid in listed.read().split())
            except OSError:
                continue
    return pids


def kill(where: Hierarchies, path: str, patience: float = 5.0) -> bool:
    """SIGKILL everything in the group until it is empty; False when something outlived `patience` seconds."""
    pause = 0.001
    while pids := members(where, path) - {0, os.getpid()}:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if patience <= 0:
            return False
        # Only a dying process is waited for here, and nothing tells when another's child has left its group.
        time.sleep(pause)  # noqa: TID251
        patience -= pause
        pause = min(pause * 2, 0.05)
    return True


def remove(where: Hierarchies, path: str) -> None:
    """Remove the group and those below; one that is still in use stays."""
    for top in where.folders(_ours(path)):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue
    if where.cover:
        # No kernel empties these folders; a few hundred of them would fill the tmpfs and no container could start.
        shutil.rmtree(where.cover + path, ignore_errors=True)


def remove_empty_parents(where: Hierarchies, path: str) -> None:
    """Remove the groups above that nothing uses any more, up to our own root."""
    while path.count("/") > 1:
        path = path.rpartition("/")[0]
        for folder in where.folders(path):
            try:
                os.rmdir(folder)
            except OSError:
                continue


def cleanup(cluster: str, node: str) -> bool:
    """Leave nothing of a node: kill what its groups list, remove them. True when all is gone. Needs no state."""
    where, path = discover(), node_path(cluster, node)
    gone = kill(where, path)
    remove(where, path)
    remove_empty_parents(where, path)
    return gone


def oom_kills(where: Hierarchies, path: str) -> int:
    """How often the kernel killed in this group for want of memory."""
    folder = where.folder("memory", path)
    name = "memory.events" if where.unified else "memory.oom_control"
    return _fields(f"{folder}/{name}").get("oom_kill", 0)


def cpu_seconds(where: Hierarchies, path: str) -> float:
    if not where.unified:
        return _number(f"{where.folder('cpuacct', path)}/cpuacct.usage") / 1e9
    return _fields(f"{where.folder('cpu', path)}/cpu.stat").get("usage_usec", 0) / 1e6


def memory_bytes(where: Hierarchies, path: str) -> int:
    """The working set: what is used less what could be dropped at once, as cAdvisor counts it."""
    folder = where.folder("memory", path)
    used = _number(f"{folder}/{'memory.current' if where.unified else 'memory.usage_in_bytes'}")
    idle = _fields(f"{folder}/memory.stat").get("inactive_file" if where.unified else "total_inactive_file", 0)
    return max(0, used - idle)


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _fields(path: str) -> dict[str, int]:
    try:
        with open(path, encoding="ascii") as file:
            return {name: int(value) for name, _, value in (line.partition(" ") for line in file) if value.strip()}
    except (OSError, ValueError):
        return {}
