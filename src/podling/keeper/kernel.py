"""The system calls that Python's standard library lacks, through libc.

Mounts have no binding in any Python, `unshare` and `setns` none before 3.12. Errors are OSError with the target in
the message's place, as from `os`.
"""

from __future__ import annotations

import ctypes
import os

NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, subject: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", subject)


def unshare(flags: int) -> None:
    _call("unshare", "", ctypes.c_int(flags))


def setns(fd: int, flags: int) -> None:
    _call("setns", "", ctypes.c_int(fd), ctypes.c_int(flags))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _call(
        "mount",
        target,
        ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_char_p(kind.encode() or None),
        ctypes.c_ulong(flags),
        ctypes.c_char_p(os.fsencode(data) or None),
    )


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _call("umount2", target, ctypes.c_char_p(os.fsencode(target)), ctypes.c_int(flags))


def sethostname(name: str) -> None:
    raw = os.fsencode(name)
    _call("sethostname", name, ctypes.c_char_p(raw), ctypes.c_size_t(len(raw)))
