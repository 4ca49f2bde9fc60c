"""How the node process enters its node: the keeper's network, and a mount namespace that mirrors the keeper's.

The two mount namespaces are peers: what the keeper mounts (root file systems, Pods' namespaces) is seen here, what
the kubelet mounts (memory volumes) is seen by the containers. Only /proc differs: the keeper's shows its own pid
namespace, in which this process does not exist, and too much (crun, descriptors by path) needs /proc/self.
"""

from __future__ import annotations

import ctypes
import os

from podling.network.namespaces import setns, unshare

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE, MS_SHARED = 0x4000, 1 << 18, 1 << 20
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8


def join(keeper: int) -> None:
    """Enter the namespaces of the keeper with this pid. Call it in a process with one thread. Raises OSError."""
    handles = [os.open(f"/proc/{keeper}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("net", "mnt")]
    for handle in handles:
        setns(handle)
        os.close(handle)
    _mount("none", "/", "", MS_REC | MS_SHARED)
    unshare(CLONE_NEWNS)
    _mount("none", "/proc", "", MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)
