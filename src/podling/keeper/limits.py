"""Changing the limits of a group whose processes run.

The files are those of the kernel's two kinds of hierarchies; a limit that the kernel does not take (memory that is in
use) is an error and stays as it was.
"""

from __future__ import annotations

import os

from podling.keeper import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from podling.keeper.cgroups import Hierarchies

MOST_SHARES, MOST_WEIGHT = 262_144, 10_000


def change(where: Hierarchies, path: str, wanted: Mapping[str, int | None]) -> None:
    """`wanted`: memory_limit (bytes), cpu_shares, cpu_quota, cpu_period (microseconds); what is None or absent stays.

    Raises OSError, and ValueError for less memory than is in use; a host without the controller has nothing to change.
    """
    memory, cpu = where.folder("memory", path), where.folder("cpu", path)
    limit = wanted.get("memory_limit")
    if limit is not None and os.path.isdir(memory):
        used = cgroups.memory_bytes(where, path)
        if used > limit:
            raise ValueError(f"attempting to set memory limit ({limit}) below current usage ({used})")
        _put(memory, {"memory.max": limit}) if where.unified else _limit_memory(memory, limit)
    if os.path.isdir(cpu):
        _put(cpu, _cpu_unified(wanted) if where.unified else _cpu(wanted))


def _cpu(wanted: Mapping[str, int | None]) -> dict[str, int | str]:
    files = {"cpu_shares": "cpu.shares", "cpu_period": "cpu.cfs_period_us", "cpu_quota": "cpu.cfs_quota_us"}
    return {file: value for name, file in files.items() if (value := wanted.get(name)) is not None}


def _cpu_unified(wanted: Mapping[str, int | None]) -> dict[str, int | str]:
    out: dict[str, int | str] = {}
    shares, quota = wanted.get("cpu_shares"), wanted.get("cpu_quota")
    if shares is not None:
        out["cpu.weight"] = 1 + (shares - 2) * (MOST_WEIGHT - 1) // (MOST_SHARES - 2)
    if quota is not None:
        out["cpu.max"] = f"{quota} {wanted.get('cpu_period') or 100_000}"
    return out


def _limit_memory(folder: str, limit: int) -> None:
    """Memory with swap may never be less than memory alone, so which of them goes first depends on the direction."""
    names = ["memory.limit_in_bytes"]
    if os.path.exists(f"{folder}/memory.memsw.limit_in_bytes"):
        names.append("memory.memsw.limit_in_bytes")
    with open(f"{folder}/{names[0]}", encoding="ascii") as file:
        grows = int(file.read()) < limit
    _put(folder, dict.fromkeys(reversed(names) if grows else names, limit))


def _put(folder: str, values: Mapping[str, int | str]) -> None:
    for name, value in values.items():
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))
