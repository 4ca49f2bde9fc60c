"""A file system in memory for `medium: Memory`, mounted in the node's mount namespace.

The node process has joined the keeper's namespace before, so the mount survives it and dies with the keeper.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_NOSUID, MS_NODEV = 2, 4
MNT_DETACH = 2


def mount(path: Path, size: int | None) -> None:
    """`size` in bytes; None leaves it to the kernel (half of the memory). Raises OSError."""
    options = b"mode=0777" + (b",size=%d" % size if size else b"")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", MS_NOSUID | MS_NODEV, options):
        code = ctypes.get_errno()
        raise OSError(code, f"mount of tmpfs: {os.strerror(code)}", str(path))


def unmount(path: Path) -> None:
    """Lazily, so that a program still inside does not keep the Pod from ending. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), MNT_DETACH):
        code = ctypes.get_errno()
        raise OSError(code, f"unmount: {os.strerror(code)}", str(path))
