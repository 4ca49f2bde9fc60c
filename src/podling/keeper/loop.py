"""The keeper's event loop: descriptors, timers and children on one epoll.

Not asyncio, because the keeper holds every container of a node for as long as the node lives: it has to be small,
quick to start, and simple enough to be believed. One thread, callbacks, nothing else.
"""

from __future__ import annotations

import heapq
import os
import select
import signal
import sys

from podling.keeper.clock import monotonic, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """A pending call; `cancel` forgets it."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


class Loop:
    """`on_read`/`on_write` are called while the descriptor is ready; `children` gets (pid, wait status) of the dead."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._read: dict[int, Callable[[], None]] = {}
        self._write: dict[int, Callable[[], None]] = {}
        self._timers: list[Timer] = []
        self._running = True
        self.children: Callable[[int, int], None] = lambda pid, status: None

    def on_read(self, fd: int, call: Callable[[], None] | None) -> None:
        self._set(self._read, fd, call)

    def on_write(self, fd: int, call: Callable[[], None] | None) -> None:
        self._set(self._write, fd, call)

    def forget(self, fd: int) -> None:
        """Before the descriptor is closed."""
        self._set(self._read, fd, None)
        self._set(self._write, fd, None)

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        timer = Timer(monotonic() + delay, call)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.on_read(woken, lambda: self._reap(woken))
        while self._running:
            self._once()

    def _once(self) -> None:
        for fd, bits in self._epoll.poll(self._wait()):
            if bits & ~select.EPOLLOUT and (call := self._read.get(fd)):
                self._guard(call)
            if bits & ~select.EPOLLIN and (call := self._write.get(fd)):
                self._guard(call)
        while self._timers and self._timers[0].due <= monotonic():
            if call := heapq.heappop(self._timers).call:
                self._guard(call)

    def _wait(self) -> float:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].due - monotonic()) if self._timers else -1

    def _reap(self, woken: int) -> None:
        os.read(woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._guard(lambda pid=pid, status=status: self.children(pid, status))  # type: ignore[misc]

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001  one broken session must not take the node's containers with it
            import traceback

            print(stamp(), traceback.format_exc(), file=sys.stderr, flush=True)

    def _set(self, table: dict[int, Callable[[], None]], fd: int, call: Callable[[], None] | None) -> None:
        before = self._bits(fd)
        if call is None:
            table.pop(fd, None)
        else:
            table[fd] = call
        after = self._bits(fd)
        if before == after:
            return
        if before == 0:
            self._epoll.register(fd, after)
        elif after == 0:
            self._epoll.unregister(fd)
        else:
            self._epoll.modify(fd, after)

    def _bits(self, fd: int) -> int:
        return (select.EPOLLIN if fd in self._read else 0) | (select.EPOLLOUT if fd in self._write else 0)
