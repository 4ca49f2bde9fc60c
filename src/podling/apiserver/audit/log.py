"""The file of the audit log: a JSON object a line, appended in the order things happened.

Lines are written in a thread, many at a time; nobody waits for the disk. The file is opened anew for each write, so it
may be moved away at any time (logrotate).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import orjson

from podling.env import Env

PAUSE = 0.1
"""Seconds in which lines are gathered."""
MOST = 100_000
"""Lines that wait for a disk that takes none; then the oldest are lost."""
log = logging.getLogger(__name__)


class AuditLog:
    def __init__(self, path: Path, env: Env) -> None:
        self._path, self._env = path, env
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
        while True:
            await self._waiting.wait()
            await self._env.sleep(PAUSE)
            await self._env.in_thread(self.flush)

    def flush(self) -> None:
        """Write what waits. Blocks; what the disk does not take stays for the next time."""
        self._waiting.clear()
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(lines))
        except OSError as error:
            log.warning("the audit log cannot be written: %s (%d events were lost so far)", error, self._lost)
            self._lines = lines + self._lines
