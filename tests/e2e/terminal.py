"""A terminal for kubectl: what a human at a keyboard sees and types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self


class Terminal:
    """`with Terminal(words, env) as terminal:` runs a program on a terminal of its own."""

    def __init__(self, words: list[str], env: Mapping[str, str], rows: int = 24, columns: int = 80) -> None:
        self.seen = ""
        self._master, slave = pty.openpty()
        self._size(rows, columns)
        self._process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True, close_fds=True
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        self._size(rows, columns)
        self._process.send_signal(signal.SIGWINCH)

    def until(self, pattern: str, seconds: float = 15) -> re.Match[str]:
        """The first match in what was printed since the last one."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} was not seen in {self.seen!r}")
        self.seen = self.seen[found.end() :]
        return found

    def ended(self, seconds: float = 15) -> int:
        """The exit code, everything printed until then is in `seen`."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        if seconds <= 0 or not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side of the terminal was closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def _size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
