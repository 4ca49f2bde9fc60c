"""When the file of an audit log is put aside, under which name, and which of those set aside go.

Names, sizes and what 0 means are kube-apiserver's (1.36 and later): `audit.log` becomes
`audit-2026-11-23T21-04-05.678.log`, in UTC, and the time in the name is what its age is counted from. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import NamedTuple

MIB = 1 << 20
DAY = 24 * 3600.0
_TIME = "%Y-%m-%dT%H-%M-%S"


class Limits(NamedTuple):
    """0 means without a limit, for each of them."""

    size: int = 100
    """MiB of the file, before it is put aside."""
    backups: int = 100
    """Files set aside."""
    age: int = 366
    """Days since a file was put aside."""

    def fitting(self, lines: Sequence[bytes], size: int) -> int:
        """How many of the lines a file of so many bytes still takes; an empty one takes the first however long."""
        room = self.size * MIB - size
        if not self.size or sum(map(len, lines)) <= room:
            return len(lines)
        for count, line in enumerate(lines):
            room -= len(line)
            if room < 0:
                return max(count, 1) if size == 0 else count
        return len(lines)

    def surplus(self, log: str, names: Iterable[str], now: float) -> list[str]:
        """Those of the files in the folder of `log` (its name) that are to go."""
        known = sorted(((at, name) for name in names if (at := put_aside(log, name)) is not None), reverse=True)
        kept = known[: self.backups] if self.backups else known
        if self.age:
            kept = [(at, name) for at, name in kept if at >= now - self.age * DAY]
        return [name for at, name in known if (at, name) not in kept]


def aside(log: str, now: float) -> str:
    """The name that the file of this name gets."""
    at = datetime.fromtimestamp(now, UTC)
    path = PurePath(log)
    return f"{path.stem}-{at.strftime(_TIME)}.{at.microsecond // 1000:03d}{path.suffix}"


def put_aside(log: str, name: str) -> float | None:
    """When the file got its name; None where it is no such file."""
    path = PurePath(log)
    begin, end = f"{path.stem}-", path.suffix
    if not (name.startswith(begin) and name.endswith(end)):
        return None
    try:
        found = datetime.strptime(name[len(begin) : len(name) - len(end)], f"{_TIME}.%f")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC).timestamp()
