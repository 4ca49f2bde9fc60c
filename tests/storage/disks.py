"""Disks that misbehave, as virtual file systems of SQLite over the real one: forgetful, full, failing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

import apsw


class Operation(NamedTuple):
    """What SQLite asked of a file: `write` at an offset, `truncate` to a size, `sync`, `open`, `delete`."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


Watcher = Callable[[Operation], None]
"""Sees every operation before it is done; may raise the error that the disk answers with."""


class WatchedDisk(apsw.VFS):
    def __init__(self, name: str, watcher: Watcher) -> None:
        self.watcher = watcher
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> _WatchedFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.watcher(Operation("open", os.path.basename(path)))
        return _WatchedFile(name, flags, os.path.basename(path), self.watcher)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.watcher(Operation("delete", os.path.basename(filename)))
        super().xDelete(filename, syncdir)


class _WatchedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], file: str, watcher: Watcher) -> None:
        self.file, self.watcher = file, watcher
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self.watcher(Operation("write", self.file, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.watcher(Operation("truncate", self.file, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self.watcher(Operation("sync", self.file))
        super().xSync(flags)


@contextmanager
def watched(name: str, watcher: Watcher) -> Iterator[str]:
    """A VFS that exists for the block; hands out its name."""
    disk = WatchedDisk(name, watcher)
    try:
        yield name
    finally:
        disk.unregister()


class PowerCut:
    """What a disk holds after a power cut: all that was synced, and by chance some of what was not."""

    def __init__(self) -> None:
        self._synced: dict[str, bytearray] = {}
        self._loose: dict[str, list[Operation]] = {}

    def follow(self, operation: Operation) -> None:
        file = operation.file
        if operation.kind == "open":
            self._synced.setdefault(file, bytearray())
        elif operation.kind == "delete":
            self._synced.pop(file, None)
            self._loose.pop(file, None)
        elif operation.kind == "sync":
            for loose in self._loose.pop(file, ()):
                _apply(self._synced[file], loose)
        else:
            self._loose.setdefault(file, []).append(operation)

    def leave(self, folder: str, chance: Random | None) -> None:
        """Write the files as the cut leaves them. Without `chance` everything that was not synced is forgotten."""
        for file, synced in self._synced.items():
            content = bytearray(synced)
            for loose in self._loose.get(file, ()) if chance else ():
                if chance and chance.random() < 0.5:
                    _apply(content, loose)
            with open(os.path.join(folder, file), "wb") as out:
                out.write(content)


def _apply(content: bytearray, operation: Operation) -> None:
    if operation.kind == "truncate":
        del content[operation.offset :]
        return
    content.extend(bytes(max(0, operation.offset - len(content))))
    content[operation.offset : operation.offset + len(operation.data)] = operation.data


class Quota:
    """A watcher that answers "disk full" when the folder would grow beyond `limit` bytes."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def __call__(self, operation: Operation) -> None:
        if operation.kind != "write":
            return
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self.folder)}
        grown = max(sizes.get(operation.file, 0), operation.offset + len(operation.data))
        if sum(sizes.values()) - sizes.get(operation.file, 0) + grown > self.limit:
            raise apsw.FullError("no space left on the test's disk")
