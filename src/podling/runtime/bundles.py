"""A container's folder: its config.json and what it writes.

Bundles are the client's, records the keeper's: a new node process finds what it needs to exec or remove in either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from podling.runtime.disk import size_of


class Bundles:
    """All bundles of a node, under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, container: str) -> Path:
        return self._folder / container

    def write(self, container: str, spec: dict[str, Any]) -> Path:
        folder = self.folder(container)
        (folder / "rootfs").mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
        (folder / "config.json").write_bytes(msgspec.json.encode(spec))
        return folder

    def process(self, container: str, command: tuple[str, ...], tty: bool) -> dict[str, Any]:
        """The `process` of the container, changed to run `command` (its own if empty). Raises FileNotFoundError."""
        spec = msgspec.json.decode((self.folder(container) / "config.json").read_bytes(), type=dict[str, Any])
        process: dict[str, Any] = spec["process"]
        process |= {"args": list(command) or process["args"], "terminal": tty}
        if tty and not any(setting.startswith("TERM=") for setting in process["env"]):
            process["env"] = [*process["env"], "TERM=xterm"]
        process.pop("oomScoreAdj", None)
        return process

    def written(self, container: str) -> int:
        """Bytes on disk that the container wrote to its own file system."""
        return sum(size_of(self.folder(container) / name) for name in ("upper", "upper-usr"))

    def sweep(self, known: Collection[str]) -> None:
        """Remove what a process before us began to write and never handed to the keeper."""
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                if folder.name not in known:
                    shutil.rmtree(folder, ignore_errors=True)

    def remove(self, container: str) -> None:
        shutil.rmtree(self.folder(container), ignore_errors=True)
