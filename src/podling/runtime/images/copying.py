"""COPY and ADD: files of a context into the folder of a new layer.

The context is the only thing that can be copied from: no name leads out of it, not even a symlink. Owners are root
unless asked otherwise, modes and times stay, so the same context gives the same layer.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from podling.runtime.images.merged import Merged
from podling.runtime.images.unpack import extract

IGNORE_FILES = (".containerignore", ".dockerignore")


class CopyError(ValueError):
    """Why a COPY cannot be done."""


class Owner(NamedTuple):
    uid: int = 0
    gid: int = 0
    mode: int | None = None


class Source(NamedTuple):
    """`place` on disk, `name` its last component as the user wrote it."""

    place: Path
    name: str


class Context:
    """A folder to copy from, less what its ignore file excludes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._patterns: list[str] = []
        for name in IGNORE_FILES:
            if (self.folder / name).is_file():
                lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
                self._patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
                break

    def sources(self, pattern: str) -> list[Source]:
        """What a source argument names. Raises CopyError when that is nothing or not inside."""
        bare = os.path.normpath("/" + pattern).lstrip("/")
        if not bare:
            return [Source(self.folder, "")]
        if any(c in bare for c in "*?["):
            found = [Path(p) for p in sorted(self.folder.glob(bare)) if not self.ignored(p)]
        else:
            found = [self.folder / bare]
        places = []
        for place in found:
            if not os.path.lexists(place) or self.ignored(place):
                raise CopyError(f'"/{bare}": not found')
            real = place.resolve()
            if self.folder not in (real, *real.parents):
                raise CopyError(f'"/{bare}" leads out of the build context')
            places.append(Source(real, place.name))
        if not places:
            raise CopyError(f'"/{bare}": nothing matches')
        return places

    def ignored(self, place: Path) -> bool:
        """By the last pattern that matches, `!` taking back."""
        name = os.path.relpath(place, self.folder)
        verdict = False
        for pattern in self._patterns:
            wanted = pattern.lstrip("!").strip("/")
            parts = name.split("/")
            heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
            if any(fnmatch.fnmatchcase(head, wanted.removeprefix("**/")) for head in heads) or (
                wanted.startswith("**/") and any(fnmatch.fnmatchcase(part, wanted[3:]) for part in parts)
            ):
                verdict = not pattern.startswith("!")
        return verdict

    def walk(self, top: Path) -> Iterator[Path]:
        """`top` itself and what is below, sorted, without what is ignored."""
        yield top
        if top.is_dir() and not top.is_symlink():
            for name in sorted(os.listdir(top)):
                if not self.ignored(top / name):
                    yield from self.walk(top / name)


def digest(context: Context, sources: Sequence[Source]) -> str:
    """What the sources contain: names, modes, bytes."""
    found = hashlib.sha256()
    for source in sources:
        for place in context.walk(source.place):
            state = os.lstat(place)
            name = os.path.relpath(place, source.place) if place != source.place else source.name
            found.update(f"{name}\0{state.st_mode:o}\0{state.st_size if stat.S_ISREG(state.st_mode) else 0}\0".encode())
            if stat.S_ISLNK(state.st_mode):
                found.update(os.readlink(place).encode())
            elif stat.S_ISREG(state.st_mode):
                with open(place, "rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


class Staging:
    """A new layer's folder over the tree it will lie on."""

    def __init__(self, folder: Path, below: Merged) -> None:
        self._folder, self._below = folder, below
        folder.mkdir(parents=True, exist_ok=True)
        self._like("", folder)

    def copy(self, context: Context, sources: Sequence[Source], target: str, owner: Owner, unpack: bool) -> None:
        """`target` is absolute in the image: copied into where it ends with `/` or is a folder, else the new name.
        Raises CopyError."""
        path = self._below.resolve(target)
        into = target.endswith(("/", "/.")) or len(sources) > 1 or self._below.is_folder(path)
        for source in sources:
            if source.place.is_dir():
                self._tree(context, source.place, path, owner)
            elif unpack and tarfile.is_tarfile(source.place):
                extract(source.place, self.make_folder(path))
            else:
                name = f"{path}/{source.name}".lstrip("/") if into else path
                self._file(source.place, self._parent(name) / os.path.basename(name), owner)

    def make_folder(self, path: str, owner: Owner | None = None) -> Path:
        """The folder in the layer, with the looks it has below; new ones belong to root, or to `owner`."""
        place = self._folder
        done = ""
        for part in [p for p in path.split("/") if p]:
            done = f"{done}/{part}".lstrip("/")
            place = place / part
            if place.is_dir():
                continue
            place.mkdir(mode=0o755)
            if not self._like(done, place):
                os.chmod(place, 0o755)
                if owner is not None:
                    os.chown(place, owner.uid, owner.gid)
        return place

    def _parent(self, path: str) -> Path:
        return self.make_folder(os.path.dirname(path))

    def _like(self, path: str, place: Path) -> bool:
        state = self._below.state(path)
        if state is None or not stat.S_ISDIR(state.st_mode):
            return False
        os.chown(place, state.st_uid, state.st_gid)
        os.chmod(place, stat.S_IMODE(state.st_mode))
        os.utime(place, ns=(state.st_mtime_ns, state.st_mtime_ns))
        return True

    def _tree(self, context: Context, top: Path, path: str, owner: Owner) -> None:
        self.make_folder(path, owner)
        for place in context.walk(top):
            if place == top:
                continue
            inside = f"{path}/{os.path.relpath(place, top)}".lstrip("/")
            if place.is_dir() and not place.is_symlink():
                folder = self.make_folder(inside, owner)
                os.chown(folder, owner.uid, owner.gid)
                os.chmod(folder, stat.S_IMODE(place.stat().st_mode))
            else:
                self._file(place, self._parent(inside) / place.name, owner)

    def _file(self, source: Path, target: Path, owner: Owner) -> None:
        state = os.lstat(source)
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            raise CopyError(f"{source.name} is neither a file, a folder nor a link")
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target, follow_symlinks=False)
        os.chown(target, owner.uid, owner.gid, follow_symlinks=False)
        if stat.S_ISREG(state.st_mode):
            os.chmod(target, stat.S_IMODE(state.st_mode) if owner.mode is None else owner.mode)
            os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))
