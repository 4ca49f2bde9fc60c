"""Parts of volumes (`subPath`), held fast: what was looked at is what is mounted, whatever becomes of its name.

A container may change its volume while another one of its Pod starts. A path that is checked by its name and mounted by
its name could be swapped for a link in between and lead out onto the node (CVE-2021-25741). So the kernel opens the
path in one step that never leaves the volume, and what was opened is mounted where no container reaches it. These
mounts lie outside of the Pod's folder and are never removed with their content, for that may be the machine's own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path, PurePosixPath

from podling.kubelet.volumes.mounting import bind, unmount

OPENAT2 = 437
"""The same on every architecture."""
NO_MAGICLINKS, BENEATH = 0x02, 0x08
ATTEMPTS = 100


class NotMade(OSError):
    """A folder that was missing could not be made."""


class Parts:
    """Those of one Pod."""

    def __init__(self, folder: Path | None = None) -> None:
        """Where they are held; None: this process can mount nothing, so paths are only checked, by their names."""
        self._folder = folder

    def part(self, volume: Path, sub_path: str, container: str, number: int) -> Path:
        """What to mount for mount `number` of a container; folders are made where nothing is.

        The last answer for the same mount is no longer valid. Raises OSError (NotMade).
        """
        opened = open_part(volume, sub_path)
        try:
            if self._folder is None:
                return Path(os.readlink(f"/proc/self/fd/{opened}"))
            place = self._folder / container / str(number)
            _clear(place)
            place.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(os.fstat(opened).st_mode):
                place.mkdir()
            else:
                place.touch()
            bind(opened, place)
            return place
        finally:
            os.close(opened)

    def release(self) -> None:
        """Let go of all. Raises OSError."""
        if self._folder is None or not self._folder.is_dir():
            return
        for container in self._folder.iterdir():
            for place in container.iterdir():
                _clear(place)
            container.rmdir()
        self._folder.rmdir()


def _clear(place: Path) -> None:
    """Unmount what is there and remove the mount point, which is empty then, or the kernel refuses."""
    while unmount(place):
        pass
    if place.is_dir():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)


def open_part(volume: Path, sub_path: str) -> int:
    """A descriptor (O_PATH) of what lies there, a new folder where nothing is. Raises OSError (NotMade)."""
    base = os.open(volume, os.O_PATH | os.O_CLOEXEC)
    try:
        parts = PurePosixPath(sub_path).parts
        try:
            return _open_beneath(base, parts)
        except FileNotFoundError:
            return _made(base, parts)
    finally:
        os.close(base)


def _made(base: int, parts: tuple[str, ...]) -> int:
    """Makes the missing folders, as open as the volume is."""
    mode = stat.S_IMODE(os.fstat(base).st_mode)
    try:
        for depth, name in enumerate(parts):
            parent = _open_beneath(base, parts[:depth])
            try:
                _make_one(parent, name, mode)
            finally:
                os.close(parent)
        return _open_beneath(base, parts)
    except OSError as error:
        raise NotMade(error.errno, error.strerror, "/".join(parts)) from error


def _make_one(parent: int, name: str, mode: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    made = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{made}", mode)
    finally:
        os.close(made)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _open_beneath(base: int, parts: tuple[str, ...]) -> int:
    """openat2: links are followed as long as they stay below `base`. Raises OSError (EXDEV where one leads out)."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = _How(os.O_PATH | os.O_CLOEXEC, 0, BENEATH | NO_MAGICLINKS)
    name = os.fsencode("/".join(parts) or ".")
    code = 0
    for _ in range(ATTEMPTS):
        descriptor: int = libc.syscall(OPENAT2, base, name, ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):  # EAGAIN: something was renamed meanwhile
            break
    raise OSError(code, os.strerror(code), "/".join(parts))
