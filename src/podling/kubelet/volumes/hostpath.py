"""hostPath: a path of the node, checked or made as its type says."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from podling.api.kinds.core.volume import Volume
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, References, VolumeType

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def _check(path: Path, kind: str) -> None:
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if kind:
        is_kind, words = _CHECKS[kind]
        if not path.exists() or not is_kind(path.stat().st_mode):
            raise MountFailure(f"hostPath type check failed: {path} is not {words}")
    elif not path.exists():
        # Upstream leaves it to the runtime, which makes a folder where nothing is.
        path.mkdir(parents=True)


class _HostPathVolume:
    source = "host_path"

    def references(self, volume: Volume) -> References:
        return References()

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        assert volume.host_path is not None
        path = Path(volume.host_path.path)
        _check(path, volume.host_path.type or "")
        return Mounted(path)


VOLUME: VolumeType = _HostPathVolume()
