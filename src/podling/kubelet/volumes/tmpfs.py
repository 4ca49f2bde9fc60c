"""A file system in memory, mounted in the node's mount namespace: for `medium: Memory` and for what is secret.

The node process has joined the keeper's namespace before, so the mount survives it and dies with the keeper. Where the
kernel can, it is told to keep it out of swap.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

MS_NOSUID, MS_NODEV = 2, 4
MNT_DETACH = 2
NOSWAP_SINCE = (6, 4)


def mount(path: Path, size: int) -> None:
    """`size` in bytes. Raises OSError."""
    options = b"size=%d" % size
    # An older kernel would complain in its log.
    noswap = _release() >= NOSWAP_SINCE
    code = _mount(path, options + b",noswap" if noswap else options)
    if code == errno.EINVAL and noswap:  # not allowed in a user namespace
        code = _mount(path, options)
    if code:
        raise OSError(code, f"mount of tmpfs: {os.strerror(code)}", str(path))


def _mount(path: Path, options: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", MS_NOSUID | MS_NODEV, options)
    return ctypes.get_errno() if failed else 0


def _release() -> tuple[int, ...]:
    numbers = os.uname().release.split("-", 1)[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


def unmount(path: Path) -> None:
    """Lazily, so that a program still inside does not keep the Pod from ending. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), MNT_DETACH):
        code = ctypes.get_errno()
        raise OSError(code, f"unmount: {os.strerror(code)}", str(path))
