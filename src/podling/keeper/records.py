"""What the keeper knows, on disk: one JSON file per sandbox and per container.

Exit codes must outlive the keeper and its clients, so every change is written at once, whole or not at all (a new
file renamed over the old). It is not forced to the platter: with the machine gone, the containers are gone too.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOST = 255
"""The exit code of a container whose end nobody saw, as containerd has it."""


class Records:
    """`folder` holds `sandboxes/<id>.json` and `containers/<id>.json`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.sandboxes = self._load("sandboxes")
        self.containers = self._load("containers")

    def save_sandbox(self, record: dict[str, Any]) -> None:
        self.sandboxes[record["id"]] = record
        self._save("sandboxes", record)

    def save_container(self, record: dict[str, Any]) -> None:
        self.containers[record["id"]] = record
        self._save("containers", record)

    def forget_sandbox(self, name: str) -> None:
        if self.sandboxes.pop(name, None):
            self._unlink("sandboxes", name)

    def forget_container(self, name: str) -> None:
        if self.containers.pop(name, None):
            self._unlink("containers", name)

    def bury(self, now: float) -> None:
        """At the start of a new keeper: whatever ran under the one before is over."""
        for record in self.sandboxes.values():
            if record["ready"]:
                record["ready"] = False
                self._save("sandboxes", record)
        for record in self.containers.values():
            if record["state"] != "exited":
                record.update(state="exited", exit_code=LOST, finished_at=now, pid=0, message="the node was stopped")
                self._save("containers", record)

    def _load(self, kind: str) -> dict[str, dict[str, Any]]:
        folder = f"{self._folder}/{kind}"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".new"):
                os.unlink(f"{folder}/{name}")
                continue
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                record = json.load(file)
            found[record["id"]] = record
        return found

    def _save(self, kind: str, record: dict[str, Any]) -> None:
        path = f"{self._folder}/{kind}/{record['id']}.json"
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.rename(path + ".new", path)

    def _unlink(self, kind: str, name: str) -> None:
        os.unlink(f"{self._folder}/{kind}/{name}.json")
