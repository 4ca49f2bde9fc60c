"""Files of a volume that change all at once: a new folder, then one rename of the link `..data`.

The layout is upstream's (`key → ..data/key`, `..data → ..<time>`), so programs that watch `..data` work. A reader holds
either the old or the new state of all files, never a mixture. (Kubernetes documentation, "Mounted ConfigMaps are
updated automatically".)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

DATA = "..data"
FOLDER_MODE = 0o755
GROUP_READS, GROUP_ENTERS = 0o440, 0o2550
"""What a group of the Pod may do with a file and with a folder that are not to be written."""


class File(msgspec.Struct, frozen=True):
    """One file of a payload; `user` None leaves the owner alone."""

    content: bytes
    mode: int = 0o644
    user: int | None = None


Payload = Mapping[str, File]
"""Relative path → file."""


def write(folder: Path, payload: Payload, stamp: str, group: int | None = None) -> bool:
    """Make `folder` show exactly `payload`; returns whether anything had to change.

    `stamp` names the new state (unique). With `group`, everything belongs to it and it may read it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / DATA
    if _same(current, payload, group):
        return False
    fresh = folder / f"..{stamp}"
    _make_folder(fresh, group)
    for path, file in payload.items():
        for inner in reversed(Path(path).parents[:-1]):
            if not (fresh / inner).is_dir():
                _make_folder(fresh / inner, group)
        _write_file(fresh / path, file, group)
    temporary = folder / "..data_tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(fresh.name)
    temporary.rename(current)
    _link(folder, payload)
    _forget(folder, fresh.name)
    return True


def _make_folder(path: Path, group: int | None) -> None:
    path.mkdir()
    if group is not None:
        os.chown(path, -1, group)
    # Said explicitly: our umask is whatever our starter's was.
    path.chmod(FOLDER_MODE if group is None else FOLDER_MODE | GROUP_ENTERS)


def _write_file(path: Path, file: File, group: int | None) -> None:
    path.write_bytes(file.content)
    mode = file.mode
    if file.user is not None or group is not None:
        os.chown(path, -1 if file.user is None else file.user, -1 if group is None else group)
        mode |= GROUP_READS if group is not None else 0
    path.chmod(mode)


def _same(current: Path, payload: Payload, group: int | None) -> bool:
    if not current.is_dir():
        return False
    there = {str(path.relative_to(current)): path for path in current.rglob("*") if path.is_file()}
    if there.keys() != payload.keys():
        return False
    extra = GROUP_READS if group is not None else 0
    return all(
        path.stat().st_mode & 0o7777 == payload[name].mode | extra and path.read_bytes() == payload[name].content
        for name, path in there.items()
    )


def _link(folder: Path, payload: Payload) -> None:
    wanted = {path.split("/", 1)[0] for path in payload}
    for entry in os.listdir(folder):
        if not entry.startswith("..") and entry not in wanted:
            (folder / entry).unlink(missing_ok=True)
    for name in sorted(wanted):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")


def _forget(folder: Path, present: str) -> None:
    """Remove earlier states, also one that was left half written when its writer was killed."""
    for entry in os.listdir(folder):
        if entry.startswith("..") and entry not in (DATA, present):
            shutil.rmtree(folder / entry, ignore_errors=True)
