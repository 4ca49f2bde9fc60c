"""Starting a process of a cluster, and hearing from it.

The child inherits two pipes. On the first it waits for a line before it begins, so that it can load its modules while
the parent still prepares what it needs; on the second it reports JSON lines: `{"step": …}` when something works,
`{"ready": true}` at the end, `{"error": …}` in words for the user. A pipe that closes without either means it died.

The node processes are launched together: their modules are loaded once, by a process that forks them (`nursery.py`).
That saves each but the first three quarters of its start and a third of its memory. Such a child says its
`{"pid": …, "warden": …}` first: who it is, and who starts it again when it dies (`warden.py`).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

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


class Pipes(NamedTuple):
    """Both ends of both pipes of one child."""

    go_read: int
    go_write: int
    report_read: int
    report_write: int

    @classmethod
    def new(cls) -> Pipes:
        return cls(*os.pipe(), *os.pipe())

    def close_childs(self) -> None:
        os.close(self.go_read)
        os.close(self.report_write)


class Birth(NamedTuple):
    """A node process, and who starts it again; None for what has ended already."""

    process: Process | None
    warden: Process | None


class Launch:
    """A child that has been started and waits for `go`."""

    def __init__(self, what: str, pipes: Pipes, log: Path, process: Process | None = None) -> None:
        """`process`: where it is known already; else the child will say it."""
        self.log, self.process, self._what = log, process, what
        self._go, self._reports = pipes.go_write, pipes.report_read
        self._buffer = b""
        self._birth: Birth | None = None

    @classmethod
    def alone(cls, module: str, arguments: Sequence[str], log: Path) -> Launch:
        """One process that runs a module."""
        log.parent.mkdir(parents=True, exist_ok=True)
        pipes = Pipes.new()
        told = ["--go-fd", str(pipes.go_read), "--report-fd", str(pipes.report_write)]
        with log.open("ab") as file:
            child = _spawn([module, *arguments, *told], file, (pipes.go_read, pipes.report_write))
        pipes.close_childs()
        return cls(module, pipes, log, Process.of(child.pid))

    @classmethod
    def together(cls, module: str, arguments: Sequence[str], logs: Mapping[str, Path]) -> dict[str, Launch]:
        """Processes of the nodes that `logs` names, forked by the one that runs the module."""
        launches: dict[str, Launch] = {}
        words: list[str] = []
        kept: list[int] = []
        with ExitStack() as files:
            for name, log in logs.items():
                log.parent.mkdir(parents=True, exist_ok=True)
                pipes, file = Pipes.new(), files.enter_context(log.open("ab"))
                files.callback(pipes.close_childs)
                inherited = (pipes.go_read, pipes.report_write, file.fileno())
                words += ["--child", name, *map(str, inherited)]
                kept += inherited
                launches[name] = cls(f"{module} ({name})", pipes, log)
            _spawn([module, *arguments, *words], file, kept)
        return launches

    def born(self, seconds: float, now: Callable[[], float]) -> Birth:
        """A node process, once it is there. Raises LaunchError."""
        deadline = now() + seconds
        while self._birth is None and self._more(seconds, deadline - now()):
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                told = json.loads(line)
                self._birth = Birth(Process.of(told["pid"]), Process.of(told["warden"]))
        return self._birth or Birth(None, None)

    def abandon(self, seconds: float, now: Callable[[], float]) -> None:
        """The start has failed: returns when neither the node process is left nor who would start it again."""
        if self._go >= 0:
            os.close(self._go)
            self._go = -1
        try:
            process, warden = self.born(seconds, now)
        except LaunchError:
            return  # too slow to wait for; it hears no go
        for each in (warden, process):
            if each is not None:
                each.end(grace=2.0)

    def go(self) -> Self:
        """What the child needs is there now."""
        try:
            os.write(self._go, b"go\n")
        except BrokenPipeError:
            pass  # it died already; `wait` says why
        finally:
            os.close(self._go)
            self._go = -1
        return self

    def wait(self, seconds: float, now: Callable[[], float], told: Callable[[str], None]) -> None:
        """Until it is ready; steps go to `told`. Raises LaunchError."""
        deadline = now() + seconds
        while not self._read(told):
            if not self._more(seconds, deadline - now()):
                raise LaunchError(f"{self._what} ended while starting\n{self._tail()}".rstrip())

    def _more(self, seconds: float, left: float) -> bool:
        """Hear what it says next; False where it has ended. Raises LaunchError after `left` seconds."""
        if not select.select([self._reports], [], [], max(0.0, left))[0]:
            raise LaunchError(f"no sign of life of {self._what} for {seconds:.0f} s\n{self._tail()}".rstrip())
        data = os.read(self._reports, 65536)
        self._buffer += data
        return bool(data)

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


def _spawn(words: Sequence[str], log: BinaryIO, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=descriptors,
        start_new_session=True,
        cwd="/",
        env=os.environ | MEMORY,
    )


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

    def born(self) -> None:
        """Who we are: the starter did not make us itself."""
        self._say({"pid": os.getpid(), "warden": os.getppid()})

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

    def close(self) -> None:
        """These ends are somebody else's now."""
        for descriptor in (self._go, self._report):
            if descriptor >= 0:
                os.close(descriptor)
        self._go = self._report = -1

    def _say(self, report: dict[str, Any]) -> None:
        if self._report < 0:
            return
        try:
            os.write(self._report, json.dumps(report).encode() + b"\n")
        except BrokenPipeError:
            self._report = -1  # whoever started us has gone; we go on
