"""Layers seen as one tree, without mounting them: what a build needs to place files rightly.

A copied file must land where the image's symlinks lead (`/bin` is often one), and a folder that a new layer mentions
must keep the mode it has below, because the uppermost one is what is seen.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from podling.runtime.images.unpack import OPAQUE_ATTRIBUTE


class Part(NamedTuple):
    """A folder of the machine that is laid over `at` (empty: the root) of the tree."""

    at: str
    folder: Path


class Merged:
    """`parts` uppermost first. Paths are relative to the root, without a leading slash."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)

    def find(self, path: str) -> Path | None:
        """The place that is seen at `path`; its last component is not followed, its parents must not be links."""
        for part, inside in self._layers(path):
            place = part.folder / inside
            if _is_whiteout(place) or any(_is_whiteout(part.folder / up) for up in _parents(inside)):
                return None
            if os.path.lexists(place):
                return place
            if any(_is_opaque(part.folder / up) for up in _parents(inside)):
                return None
        return None

    def resolve(self, path: str) -> str:
        """Where `path` leads when every symlink is followed inside the tree. What is not there stays as it is."""
        done: list[str] = []
        todo = [p for p in path.split("/") if p not in ("", ".")]
        budget = 40
        while todo:
            name = todo.pop(0)
            if name == "..":
                done = done[:-1]
                continue
            place = self.find("/".join((*done, name)))
            if place is not None and place.is_symlink() and budget > 0:
                budget -= 1
                target = os.readlink(place)
                if target.startswith("/"):
                    done = []
                todo = [p for p in target.split("/") if p not in ("", ".")] + todo
            else:
                done.append(name)
        return "/".join(done)

    def is_folder(self, path: str) -> bool:
        place = self.find(self.resolve(path)) if path else None
        return not path or (place is not None and place.is_dir())

    def state(self, path: str) -> os.stat_result | None:
        place = self.find(path)
        return None if place is None else os.lstat(place)

    def names(self, path: str) -> list[str]:
        """What the folder holds."""
        seen: dict[str, bool] = {}
        for part, inside in self._layers(path):
            folder = part.folder / inside
            if _is_whiteout(folder):
                break
            if folder.is_dir() and not folder.is_symlink():
                for name in os.listdir(folder):
                    seen.setdefault(name, not _is_whiteout(folder / name))
                if _is_opaque(folder):
                    break
        prefix = f"{path}/" if path else ""
        for part in self._parts:
            if part.at.startswith(prefix) and part.at:
                seen.setdefault(part.at[len(prefix) :].split("/")[0], True)
        return sorted(name for name, there in seen.items() if there)

    def read_text(self, path: str) -> str:
        """A small file; empty where there is none."""
        place = self.find(self.resolve(path))
        return place.read_text(encoding="utf-8", errors="replace") if place is not None and place.is_file() else ""

    def _layers(self, path: str) -> Iterator[tuple[Part, str]]:
        for part in self._parts:
            if not part.at:
                yield part, path
            elif path == part.at or path.startswith(part.at + "/"):
                yield part, path[len(part.at) :].lstrip("/")


def export(tree: Merged, path: str, target: Path) -> None:
    """Copy what is seen at `path` to `target`, links as links. Raises FileNotFoundError."""
    place = tree.find(path) if path else None
    if path and place is None:
        raise FileNotFoundError(path)
    if place is None or (place.is_dir() and not place.is_symlink()):
        target.mkdir(parents=True, exist_ok=True)
        for name in tree.names(path):
            export(tree, f"{path}/{name}".lstrip("/"), target / name)
        if place is not None:
            shutil.copystat(place, target)
    elif place.is_symlink() or place.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place, target, follow_symlinks=False)


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _is_whiteout(place: Path) -> bool:
    try:
        state = os.lstat(place)
    except OSError:
        return False
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def _is_opaque(place: Path) -> bool:
    try:
        return os.getxattr(place, OPAQUE_ATTRIBUTE) == b"y"
    except OSError:
        return False
