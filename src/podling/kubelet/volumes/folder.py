"""The folder of a volume: on disk, or a file system in memory that nothing of it leaves.

Everybody may write to it, unless its mode says otherwise; in memory it is sticky as well, as the kernel makes a fresh
tmpfs. With an fsGroup it belongs to that group, and so does what is made in it. (Kubernetes documentation, "Volumes:
emptyDir", "Configure volume permission and ownership change policy for Pods".)
"""

from __future__ import annotations

import os
from pathlib import Path

from podling.kubelet.volumes.mounting import mount_memory

OPEN, STICKY = 0o777, 0o1000
GROUPS = 0o2070
"""What a group of the Pod may do in a folder of its own."""


def make(path: Path, memory: int | None = None, group: int | None = None, mode: int | None = None) -> None:
    """Left alone where it is there already. `memory`: in a tmpfs of so many bytes. Raises OSError."""
    if path.is_dir() and (memory is None or os.path.ismount(path)):
        return
    path.mkdir(parents=True, exist_ok=True)
    if memory is not None:
        mount_memory(path, memory)
    if mode is None:
        mode = OPEN if memory is None else OPEN | STICKY
    if group is not None:
        os.chown(path, -1, group)
        mode |= GROUPS
    path.chmod(mode)
