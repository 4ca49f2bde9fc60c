"""Layers to folders and back: tar with AUFS whiteouts outside, overlayfs whiteouts inside.

A layer says "removed" with a file `.wh.name` and "starts afresh" with `.wh..wh..opq`; overlayfs says the same with a
character device 0/0 and the attribute `trusted.overlay.opaque`. Names in a tar are not trusted: nothing may be
written outside the folder, not even through a symlink that the layer itself brought.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, Literal

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
OPAQUE_ATTRIBUTE = "trusted.overlay.opaque"


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an uncompressed tar as root, with owners, modes and times. Raises tarfile.TarError or OSError."""
    folder.mkdir(mode=0o755)
    extract(archive, folder, "r:")


def extract(archive: Path, folder: Path, mode: Literal["r:", "r:*"] = "r:*") -> None:
    """The same into a folder that is there, and of a tar that may be compressed."""
    root = folder.resolve()
    folders: list[tuple[Path, tarfile.TarInfo]] = []
    with tarfile.open(archive, mode, encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            if member.name.strip("./") == "":
                os.chmod(root, member.mode & 0o7777)
                os.chown(root, member.uid, member.gid)
                continue
            place = _place(root, member.name)
            if place.name.startswith(WHITEOUT):
                _hide(place)
            else:
                _write(tar, member, root, place)
                if member.isdir():
                    folders.append((place, member))
    for place, member in reversed(folders):
        os.utime(place, (member.mtime, member.mtime))


def pack(folder: Path, archive: BinaryIO) -> None:
    """A folder as a layer; the same content gives the same bytes."""
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        links: dict[tuple[int, int], str] = {}
        for path in _walk(folder):
            name = os.path.relpath(path, folder)
            state = os.lstat(path)
            if stat.S_ISCHR(state.st_mode) and state.st_rdev == 0:
                tar.addfile(tarfile.TarInfo(_beside(name, WHITEOUT + os.path.basename(name))))
                continue
            if stat.S_ISSOCK(state.st_mode):
                continue
            _add(tar, path, name, state, links)
            if stat.S_ISDIR(state.st_mode) and _is_opaque(path):
                tar.addfile(tarfile.TarInfo(f"{name}/{OPAQUE}"))


def make_opaque(folder: Path) -> None:
    os.setxattr(folder, OPAQUE_ATTRIBUTE, b"y")


def make_whiteout(place: Path) -> None:
    os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))


def _place(root: Path, name: str) -> Path:
    """Where a member goes. Symlinks among its parents are followed inside the layer only."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise tarfile.TarError(f"a layer names {name!r}")
    place = root
    for part in parts[:-1]:
        place = place / part
        if place.is_symlink():
            place = place.resolve()
            if root not in (place, *place.parents):
                raise tarfile.TarError(f"a layer leads out of itself by {name!r}")
        if not place.is_dir():
            place.unlink(missing_ok=True)
            place.mkdir(mode=0o755)
    return place / parts[-1]


def _hide(place: Path) -> None:
    if place.name == OPAQUE:
        make_opaque(place.parent)
        return
    hidden = place.with_name(place.name[len(WHITEOUT) :])
    if not os.path.lexists(hidden):
        make_whiteout(hidden)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, place: Path) -> None:
    if os.path.lexists(place) and not (member.isdir() and place.is_dir() and not place.is_symlink()):
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    if member.isreg():
        source = tar.extractfile(member)
        assert source is not None
        with open(place, "xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    elif member.isdir():
        place.mkdir(exist_ok=True)
    elif member.issym():
        os.symlink(member.linkname, place)
    elif member.islnk():
        target = _place(root, member.linkname)
        os.link(target, place, follow_symlinks=False)
        return
    elif member.isfifo():
        os.mkfifo(place)
    elif member.ischr() or member.isblk():
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        os.mknod(place, kind, os.makedev(member.devmajor, member.devminor))
    else:
        return
    os.chown(place, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        os.chmod(place, member.mode & 0o7777)
        _attributes(member, place)
        os.utime(place, (member.mtime, member.mtime))


def _attributes(member: tarfile.TarInfo, place: Path) -> None:
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr.") and not key.startswith("SCHILY.xattr.trusted.overlay"):
            raw = value.encode("utf-8", "surrogateescape")
            try:
                os.setxattr(place, key.removeprefix("SCHILY.xattr."), raw)
            except OSError:
                continue  # an attribute of another kind of file system; the files are usable without


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for top, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(top, name) for name in (*folders, *files)]
    return sorted(found)


def _add(tar: tarfile.TarFile, path: Path, name: str, state: os.stat_result, links: dict[tuple[int, int], str]) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.uid, member.gid = stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid
    member.mtime = int(state.st_mtime)
    if stat.S_ISLNK(state.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISDIR(state.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISFIFO(state.st_mode):
        member.type = tarfile.FIFOTYPE
    elif not stat.S_ISREG(state.st_mode):
        return
    elif state.st_nlink > 1 and (first := links.setdefault((state.st_dev, state.st_ino), name)) != name:
        member.type, member.linkname = tarfile.LNKTYPE, first
    else:
        member.size = state.st_size
        with open(path, "rb") as content:
            tar.addfile(member, content)
        return
    tar.addfile(member)


def _beside(name: str, other: str) -> str:
    return os.path.join(os.path.dirname(name), other)


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, OPAQUE_ATTRIBUTE) == b"y"
    except OSError:
        return False
