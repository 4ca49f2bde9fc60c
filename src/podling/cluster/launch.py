"""Starting a process of a cluster, and hearing from it.

The child inherits two pipes. On the first it waits for a line before it begins, so that it can load its modules while
the parent still prepares what it needs; on the second it reports JSON lines: `{"step": …}` when something works,
`{"ready": true}` at the end, `{"error": …}` in words for the user. A pipe that closes without either means it died.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from .process import Process

MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
}
"""glibc's malloc gives what a large answer took back to the kernel at once and asks for it again with the next one;
those page faults made half the cost of a list. Up to 16 MiB may stay. Other C libraries ignore these."""


class LaunchError(Exception):
    """A process did not come up; the message is for the user."""


class Launch:
    """A child that has been started and waits for `go`."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        self.log, self._module = log, module
        log.parent.mkdir(parents=True, exist_ok=True)
        go_read, self._go = os.pipe()
        self._reports, report_write = os.pipe()
        pipes = ["--go-fd", str(go_read), "--report-fd", str(report_write)]
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, *pipes],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=(go_read, report_write),
                start_new_session=True,
                cwd="/",
                env=os.environ | MEMORY,
            )
        os.close(go_read)
        os.close(report_write)
        self._buffer = b""

    @property
    def process(self) -> Process | None:
        return Process.of(self._child.pid)

    def go(self) -> Self:
        """What the child needs is there now."""
        try:
            os.write(self._go, b"go\n")
        except BrokenPipeError:
            pass  # it died already; `wait` says why
        finally:
            os.close(self._go)
        return self

    def wait(self, seconds: float, now: Callable[[], float], told: Callable[[str], None]) -> None:
        """Until it is ready; steps go to `told`. Raises LaunchError."""
        deadline = now() + seconds
        while True:
            if not select.select([self._reports], [], [], max(0.0, deadline - now()))[0]:
                raise LaunchError(f"no sign of life of {self._module} for {seconds:.0f} s\n{self._tail()}".rstrip())
            data = os.read(self._reports, 65536)
            if not data:
                raise LaunchError(f"{self._module} ended while starting\n{self._tail()}".rstrip())
            self._buffer += data
            if self._read(told):
                return

    def _read(self, told: Callable[[str], None]) -> bool:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            report: dict[str, Any] = json.loads(line)
            if "error" in report:
                raise LaunchError(str(report["error"]) + (f"\n{self._tail()}".rstrip() if report.get("bug") else ""))
            if report.get("ready"):
                os.close(self._reports)
                return True
            told(str(report.get("step", "")))
        return False

    def _tail(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        except OSError:
            return ""


class Reporter:
    """The child's end of the pipes."""

    def __init__(self, go_fd: int, report_fd: int) -> None:
        self._go, self._report = go_fd, report_fd

    def wait_for_go(self) -> bool:
        """False where the parent went away before it said go."""
        line = os.read(self._go, 16) if self._go >= 0 else b"go\n"
        if self._go >= 0:
            os.close(self._go)
        return bool(line)

    def step(self, text: str) -> None:
        self._say({"step": text})

    def error(self, text: str, *, bug: bool) -> None:
        """`bug`: not foreseen, so the end of the log is shown too."""
        self._say({"error": text, "bug": bug})

    def ready(self) -> None:
        self._say({"ready": True})
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    def _say(self, report: dict[str, Any]) -> None:
        if self._report < 0:
            return
        try:
            os.write(self._report, json.dumps(report).encode() + b"\n")
        except BrokenPipeError:
            self._report = -1  # whoever started us has gone; we go on
