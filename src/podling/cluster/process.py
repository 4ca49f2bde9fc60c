"""A process of ours, by pid and birth, so that a pid which was given to somebody else is never hit."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """`born` is the start time in clock ticks since boot, from /proc/PID/stat."""

    pid: int
    born: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with that pid; a zombie has ended."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def load(cls, file: Path) -> Process | None:
        """What `save` wrote, if that process still lives."""
        try:
            pid, born = file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        found = cls.of(int(pid))
        return found if found and found.born == int(born) else None

    def save(self, file: Path) -> None:
        file.write_text(f"{self.pid} {self.born}\n")

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def end(self, grace: float) -> None:
        """SIGTERM, SIGKILL after `grace` seconds; returns when it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.alive():
                return
            self._signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], grace)[0]:
                self._signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], 10)
        finally:
            os.close(descriptor)

    @staticmethod
    def _signal(descriptor: int, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
