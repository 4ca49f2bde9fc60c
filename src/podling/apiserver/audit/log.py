"""The file of the audit log: a JSON object a line, appended in the order things happened.

Lines are written in a thread, many at a time; nobody waits for the disk. A file that has grown large is put aside
there too (`rotation.py`). It is opened anew for each write, so others may move it away at any time (logrotate).
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import orjson

from podling.apiserver.audit.rotation import Limits, aside
from podling.env import Env

PAUSE = 0.1
"""Seconds in which lines are gathered."""
MOST = 100_000
"""Lines that wait for a disk that takes none; then the oldest are lost."""
log = logging.getLogger(__name__)


class AuditLog:
    def __init__(self, path: Path, env: Env, limits: Limits | None = None) -> None:
        """`limits`: those that kube-apiserver has, unless others are given."""
        self._path, self._env = path, env
        self._limits = Limits() if limits is None else limits
        self._stays = False
        """The file could not be put aside the last time."""
        self._lines: list[bytes] = []
        self._waiting = asyncio.Event()
        self._lost = 0

    def tell(self, event: dict[str, Any]) -> None:
        self._lines.append(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._lines) > MOST:
            del self._lines[0]
            self._lost += 1
        self._waiting.set()

    async def run(self) -> None:
        """For ever."""
        await self._env.in_thread(self._tidy)
        while True:
            await self._waiting.wait()
            await self._env.sleep(PAUSE)
            await self._env.in_thread(self.flush)

    def flush(self) -> None:
        """Write what waits. Blocks; what the disk does not take stays for the next time."""
        self._waiting.clear()
        lines, self._lines = self._lines, []
        limits = self._limits
        try:
            while lines:
                taken = self._write(lines, limits)
                if not taken and not self._put_aside():
                    limits = limits._replace(size=0)  # a large log is better than none
                del lines[:taken]
        except OSError as error:
            log.warning("the audit log cannot be written: %s (%d events were lost so far)", error, self._lost)
            self._lines = lines + self._lines

    def _write(self, lines: list[bytes], limits: Limits) -> int:
        """So many of them were taken; none: there is no room. Raises OSError."""
        with open(self._path, "ab", opener=_private) as file:
            count = limits.fitting(lines, os.fstat(file.fileno()).st_size)
            file.write(b"".join(lines[:count]))
        return count

    def _put_aside(self) -> bool:
        """Whether the next write begins a new file."""
        at = self._env.now()
        try:
            while (target := self._path.with_name(aside(self._path.name, at))).exists():
                at += 0.001
            self._path.rename(target)
        except OSError as error:
            if not self._stays:
                log.warning("the audit log cannot be put aside and grows on: %s", error)
            self._stays = True
            return False
        self._stays = False
        self._tidy()
        return True

    def _tidy(self) -> None:
        """Delete what was put aside and is too old or too much."""
        try:
            names = os.listdir(self._path.parent)
            for name in self._limits.surplus(self._path.name, names, self._env.now()):
                self._path.with_name(name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("old audit logs cannot be deleted: %s", error)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
