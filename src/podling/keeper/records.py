"""What the keeper knows, on disk: one JSON file per sandbox and per container.

Exit codes must outlive the keeper and its clients, so every change is written at once, whole or not at all (a new
file renamed over the old). It is not forced to the platter: with the machine gone, the containers are gone too. On a
full disk a change is kept in memory and written with the next one: a container's end must not be missed for it.
"""

from __future__ import annotations

import json
import os
import sys

from podling.keeper.clock import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOST = 255
"""The exit code of a container whose end nobody saw, as containerd has it."""


class Records:
    """`folder` holds `sandboxes/<id>.json` and `containers/<id>.json`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._unsaved: dict[tuple[str, str], dict[str, Any]] = {}
        self.sandboxes = self._load("sandboxes")
        self.containers = self._load("containers")

    def add_sandbox(self, record: dict[str, Any]) -> None:
        """Raises OSError; it is not known then."""
        self._save("sandboxes", record)
        self.sandboxes[record["id"]] = record

    def add_container(self, record: dict[str, Any]) -> None:
        """Raises OSError; it is not known then."""
        self._save("containers", record)
        self.containers[record["id"]] = record

    def save_sandbox(self, record: dict[str, Any]) -> None:
        self.sandboxes[record["id"]] = record
        self._try_to_save("sandboxes", record)

    def save_container(self, record: dict[str, Any]) -> None:
        self.containers[record["id"]] = record
        self._try_to_save("containers", record)

    def forget_sandbox(self, name: str) -> None:
        if self.sandboxes.pop(name, None):
            self._unlink("sandboxes", name)

    def forget_container(self, name: str) -> None:
        if self.containers.pop(name, None):
            self._unlink("containers", name)

    def bury(self, now: float) -> None:
        """At the start of a new keeper: whatever ran under the one before is over."""
        for record in [*self.sandboxes.values()]:
            if record["ready"]:
                self.save_sandbox({**record, "ready": False})
        for record in self.containers.values():
            if record["state"] != "exited":
                record.update(state="exited", exit_code=LOST, finished_at=now, pid=0, message="the node was stopped")
                self.save_container(record)

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

    def _try_to_save(self, kind: str, record: dict[str, Any]) -> None:
        self._unsaved[kind, record["id"]] = record
        for key, late in [*self._unsaved.items()]:
            try:
                self._save(key[0], late)
            except OSError as error:
                print(stamp(), f"cannot write the record of {key[1]}: {error.strerror}", file=sys.stderr, flush=True)
                return
            del self._unsaved[key]

    def _save(self, kind: str, record: dict[str, Any]) -> None:
        path = f"{self._folder}/{kind}/{record['id']}.json"
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.rename(path + ".new", path)

    def _unlink(self, kind: str, name: str) -> None:
        self._unsaved.pop((kind, name), None)
        os.unlink(f"{self._folder}/{kind}/{name}.json")
