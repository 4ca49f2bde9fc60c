"""Mounts of a node's volumes, in the node's mount namespace: file systems in memory, and parts of volumes held fast.

The node process has joined the keeper's namespace before, so what it mounts survives it and dies with the keeper.
Where the kernel can, it is told to keep what is in memory out of swap.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_BIND = 2, 4, 4096
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
NOSWAP_SINCE = (6, 4)


def mount_memory(path: Path, size: int) -> None:
    """`size` in bytes. Raises OSError."""
    options = b"size=%d" % size
    # An older kernel would complain in its log.
    noswap = _release() >= NOSWAP_SINCE
    code = _mount(b"tmpfs", path, b"tmpfs", MS_NOSUID | MS_NODEV, options + b",noswap" if noswap else options)
    if code == errno.EINVAL and noswap:  # not allowed in a user namespace
        code = _mount(b"tmpfs", path, b"tmpfs", MS_NOSUID | MS_NODEV, options)
    if code:
        raise OSError(code, f"mount of tmpfs: {os.strerror(code)}", str(path))


def bind(descriptor: int, path: Path) -> None:
    """Show at `path` what was opened, whatever becomes of its name. Raises OSError."""
    code = _mount(b"/proc/self/fd/%d" % descriptor, path, None, MS_BIND, None)
    if code:
        raise OSError(code, f"bind mount: {os.strerror(code)}", str(path))


def unmount(path: Path) -> bool:
    """Lazily, so that a program still inside does not keep the Pod from ending; False where nothing was mounted.

    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not libc.umount2(os.fsencode(path), MNT_DETACH | UMOUNT_NOFOLLOW):
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOENT):
        return False
    raise OSError(code, f"unmount: {os.strerror(code)}", str(path))


def _mount(source: bytes, path: Path, kind: bytes | None, flags: int, options: bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(source, os.fsencode(path), kind, ctypes.c_ulong(flags), options)
    return ctypes.get_errno() if failed else 0


def _release() -> tuple[int, ...]:
    numbers = os.uname().release.split("-", 1)[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())
