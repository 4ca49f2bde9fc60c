"""Ctrl-C at a safe point: what is half done is finished first, so that it can be undone.

A signal may come at any instruction. Between making a process and writing down which one it is, an exception would
leave it behind; so SIGINT, SIGTERM and SIGHUP are remembered, and raised only where the starter waits. And once a
command's work is done a signal comes too late: its exit code must say what was done, not when the user lost patience.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ignore() -> None:
    """For a process whose work is done: from here to its very end signals change nothing.

    Ignored by the kernel, for a handler of Python's would be gone before the interpreter is.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Interrupts:
    """One for a command, used from its main thread; elsewhere signals are not ours and nothing is changed."""

    def __init__(self) -> None:
        self._heard = self._open = False

    @contextmanager
    def deferred(self, settled: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Inside the block signals are remembered; what was there before comes back after it.

        What the user has ignored (nohup) stays so. `settled` is called at the block's end, and what it sets stays.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ours = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before: dict[signal.Signals, Any] = {number: signal.signal(number, self._hear) for number in ours}
        try:
            yield
        finally:
            settled()
            for number, handler in before.items():
                if signal.getsignal(number) == self._hear:
                    signal.signal(number, handler)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Inside the block, and at both its ends, a signal raises KeyboardInterrupt."""
        self.check()
        self._open = True
        try:
            yield
        finally:
            self._open = False
        self.check()

    def check(self) -> None:
        """Raises KeyboardInterrupt where a signal has come."""
        if self._heard:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
        if self._open:
            self._open = False
            raise KeyboardInterrupt
