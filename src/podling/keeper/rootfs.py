"""The mounts of a container's root file system, in the keeper's mount namespace.

Overlays are `volatile`: nothing in a container's writable layer is worth a sync of the whole disk when it goes.
"""

from __future__ import annotations

import os

from podling.keeper import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def mount_all(mounts: list[dict[str, Any]]) -> None:
    """Mount in order, outer before inner. Raises OSError with nothing left mounted."""
    for index, wanted in enumerate(mounts):
        try:
            _mount(wanted)
        except OSError:
            unmount_all(mounts[:index])
            raise


def unmount_all(mounts: list[dict[str, Any]]) -> None:
    for wanted in reversed(mounts):
        try:
            kernel.unmount(wanted["target"])
        except OSError as error:
            if error.errno not in (2, 22):  # gone already, or made by a keeper before this one
                raise


def _mount(wanted: dict[str, Any]) -> None:
    """`{target, lower: [top … bottom], upper, work}`; without `upper` it is read-only, one `lower` alone is bound."""
    target, lower, upper = wanted["target"], wanted["lower"], wanted.get("upper")
    os.makedirs(target, exist_ok=True)
    if not upper:
        _mount_read_only(target, lower)
        return
    if not os.path.isdir(upper):
        _like(upper, lower[0])
    work = wanted["work"]
    _empty(work)  # a volatile mount refuses what an earlier one left
    os.makedirs(work, exist_ok=True)
    layers = ":".join(map(_escaped, lower))
    data = f"lowerdir={layers},upperdir={_escaped(upper)},workdir={_escaped(work)}"
    try:
        kernel.mount("overlay", target, "overlay", data=data + ",volatile")
    except OSError as error:
        if error.errno != 22:
            raise
        kernel.mount("overlay", target, "overlay", data=data)


def _mount_read_only(target: str, lower: list[str]) -> None:
    if len(lower) > 1:
        layers = ":".join(map(_escaped, lower))
        kernel.mount("overlay", target, "overlay", kernel.MS_RDONLY, f"lowerdir={layers}")
        return
    kernel.mount(lower[0], target, flags=kernel.MS_BIND)
    kernel.mount("", target, flags=kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)


def _like(folder: str, model: str) -> None:
    """The merged folder shows the owner and mode of its uppermost part."""
    state = os.stat(model)
    os.makedirs(folder)
    os.chown(folder, state.st_uid, state.st_gid)
    os.chmod(folder, state.st_mode & 0o7777)


def _empty(folder: str) -> None:
    """Without shutil, whose import costs the keeper more than everything else in this file."""
    for top, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(f"{top}/{name}")
        for name in folders:
            os.unlink(f"{top}/{name}") if os.path.islink(f"{top}/{name}") else os.rmdir(f"{top}/{name}")


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
