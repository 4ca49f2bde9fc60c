"""Non-blocking ends of pipes, terminals and sockets, with the push-back that keeps memory bounded."""

from __future__ import annotations

import os

from podling.keeper.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 64 * 1024
HIGH_WATER = 512 * 1024


class Source:
    """Reads `fd` until its end and then closes it. A terminal whose other side is gone counts as ended."""

    def __init__(self, loop: Loop, fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._loop, self.fd, self._on_data, self._on_end = loop, fd, on_data, on_end
        self.resume()

    def pause(self) -> None:
        if self.fd >= 0:
            self._loop.on_read(self.fd, None)

    def resume(self) -> None:
        if self.fd >= 0:
            self._loop.on_read(self.fd, self._ready)

    def drain(self) -> None:
        """Everything that is there now, then the end: its writers have died."""
        while self.fd >= 0 and self._read():
            pass
        self._finish()

    def close(self) -> None:
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1

    def _ready(self) -> None:
        self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._finish()
            return False
        self._on_data(data)
        return True

    def _finish(self) -> None:
        if self.fd >= 0:
            self.close()
            self._on_end()


class Sink:
    """Writes to `fd` as it takes it. `on_room` is called when the backlog is gone, `on_broken` when nobody reads."""

    def __init__(self, loop: Loop, fd: int, on_broken: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._loop, self.fd, self._on_broken = loop, fd, on_broken
        self._backlog = bytearray()
        self._closing = False
        self.on_room: Callable[[], None] = lambda: None

    @property
    def full(self) -> bool:
        return len(self._backlog) > HIGH_WATER

    def write(self, data: bytes) -> None:
        if self.fd < 0 or self._closing:
            return
        if self._backlog:
            self._backlog += data
            return
        rest = data[self._push(data) :]
        if rest and self.fd >= 0:
            self._backlog += rest
            self._loop.on_write(self.fd, self._ready)

    def finish(self) -> None:
        """Close once everything is written."""
        self._closing = True
        if not self._backlog:
            self.close()

    def close(self) -> None:
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1
        self._backlog.clear()

    def _ready(self) -> None:
        del self._backlog[: self._push(bytes(self._backlog[:CHUNK]))]
        if self.fd < 0 or self._backlog:
            return
        self._loop.on_write(self.fd, None)
        if self._closing:
            self.close()
        self.on_room()

    def _push(self, data: bytes) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()
            self._on_broken()
            return 0
