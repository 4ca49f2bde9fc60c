"""What processes cost: CPU seconds and memory, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of the processes, their threads and their reaped children."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS


def memory_mib(pids: Sequence[int]) -> float:
    """Proportional set size: what they would give back together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def precise_cpu_seconds(pid: int) -> float:
    """Time on a processor of all threads, in nanoseconds' resolution (schedstat), for short measurements."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
