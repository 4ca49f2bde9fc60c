"""Watching something change through kubectl, each line with the moment it was read."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.e2e.harness import BIN, Cluster, eventually


class Watch:
    """`with Watch(cluster, "endpointslices", "-l", …, template=…) as seen:` → seen.lines of (time, text)."""

    def __init__(self, cluster: Cluster, *words: str, template: str) -> None:
        self.lines: list[tuple[float, str]] = []
        command = [str(BIN / "kubectl"), "get", *words, "-w", "-o", f'go-template={template}{{{{"\\n"}}}}']
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=cluster.env, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def after(self, moment: float, wanted: Callable[[str], bool], seconds: float, what: str) -> float:
        """When the first line behind `moment` came that is as wanted."""

        def look() -> list[float]:
            return [time for time, text in list(self.lines) if time >= moment and wanted(text)]

        found: list[float] = eventually(look, seconds, what)
        return found[0]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append((time.time(), line.strip()))
