"""Being told that a file has grown or was moved away, without a thread and without asking again and again."""

from __future__ import annotations

import asyncio
import ctypes
import os
from types import TracebackType
from typing import Self

IN_MODIFY, IN_ATTRIB, IN_MOVE_SELF, IN_DELETE_SELF = 0x2, 0x4, 0x800, 0x400
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC


class FileWatch:
    """`with FileWatch(path) as watch: await watch.wait(1.0)`. Raises OSError where the kernel refuses."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        mask = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(self._path), mask) < 0:
            code = ctypes.get_errno()
            self._close()
            raise OSError(code, os.strerror(code), self._path)
        asyncio.get_running_loop().add_reader(self._fd, self._readable)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        self._close()

    async def wait(self, timeout: float) -> None:
        """Until the file changed, or `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def poke(self) -> None:
        """End the present wait: something else happened that the reader should look at."""
        self._changed.set()

    def _readable(self) -> None:
        try:
            os.read(self._fd, 64 << 10)
        except BlockingIOError:
            return
        self._changed.set()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
