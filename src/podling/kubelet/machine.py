"""What the machine has and how it fares: capacity, pressure, identity. Reads /proc and /etc, changes nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}


class Machine(msgspec.Struct, frozen=True):
    """Facts that hold as long as the kubelet runs; sizes in bytes."""

    cpus: int
    memory: int
    disk: int
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str


class Pressure(msgspec.Struct, frozen=True):
    """True where a resource is nearly used up."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


def read_machine(folder: Path) -> Machine:
    """`folder` lies on the file system whose size is the node's storage."""
    disk = os.statvfs(folder)
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=_memory().get("MemTotal", 0),
        disk=disk.f_blocks * disk.f_frsize,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def read_pressure(folder: Path, memory_below: int, disk_below: float) -> Pressure:
    """`memory_below` bytes available, `disk_below` share of the file system available."""
    disk = os.statvfs(folder)
    available = _memory().get("MemAvailable")
    return Pressure(
        memory=available is not None and available < memory_below,
        disk=disk.f_blocks > 0 and disk.f_bavail / disk.f_blocks < disk_below,
        pids=_pids_short(),
    )


def _memory() -> dict[str, int]:
    out: dict[str, int] = {}
    for line in _text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            out[name] = int(words[0]) * 1024
    return out


def _pids_short() -> bool:
    """Under a tenth of the kernel's process numbers left."""
    words = _text("/proc/loadavg").split()
    limit = _text("/proc/sys/kernel/pid_max")
    if len(words) < 4 or "/" not in words[3] or not limit.isdigit():
        return False
    return int(words[3].partition("/")[2]) > 0.9 * int(limit)


def _os_image() -> str:
    return _release().get("PRETTY_NAME", "Linux")


def _release() -> Mapping[str, str]:
    out = {}
    for line in _text("/etc/os-release").splitlines():
        key, found, value = line.partition("=")
        if found:
            out[key] = value.strip().strip('"')
    return out


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
