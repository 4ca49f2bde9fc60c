"""The file of the audit log is put aside when it is full, and what was put aside goes when it is old or too much."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from podling.apiserver.audit.log import AuditLog
from podling.apiserver.audit.policy import parse
from podling.apiserver.audit.rotation import DAY, MIB, Limits, aside, put_aside
from podling.env import SystemEnv
from tests.apiserver.serving import serving
from tests.apiserver.test_audit import EVERYTHING

NOW = 1_795_467_845.678
NAME = "audit-2026-11-23T21-04-05.678.log"


class Clock(SystemEnv):
    def now(self) -> float:
        return NOW


def written(folder: Path, limits: Limits, *sizes: int) -> AuditLog:
    """A log that was told events of so many bytes, each flushed."""
    log = AuditLog(folder / "audit.log", Clock(), limits)
    for size in sizes:
        tell(log, size)
        log.flush()
    return log


def tell(log: AuditLog, size: int, mark: str = "x") -> None:
    log.tell({"k": mark * (size - len('{"k":""}\n'))})


def sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("log", "backup"),
    [("audit.log", NAME), ("audit", "audit-2026-11-23T21-04-05.678"), ("a.b.json", "a.b-2026-11-23T21-04-05.678.json")],
)
def test_names_are_upstreams_and_tell_the_time(log: str, backup: str) -> None:
    assert aside(log, NOW) == backup
    assert put_aside(log, backup) == pytest.approx(NOW, abs=0.0011)


@pytest.mark.parametrize(
    "name", ["audit.log", "audit-yesterday.log", "other-2026-11-23T21-04-05.678.log", f"{NAME}.gz"]
)
def test_other_files_are_not_ours(name: str) -> None:
    assert put_aside("audit.log", name) is None


def test_a_file_that_the_next_line_would_make_too_large_is_put_aside(tmp_path: Path) -> None:
    written(tmp_path, Limits(size=1), MIB - 100, 100, 50)
    assert sizes(tmp_path) == {NAME: MIB, "audit.log": 50}
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


def test_lines_that_come_together_are_spread_over_files_and_none_is_lost_or_split(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", Clock(), Limits(size=1))
    for mark in "abcde":
        tell(log, 400_000, mark)
    log.flush()
    found = sizes(tmp_path)
    assert list(found.values()) == [800_000, 800_000, 400_000]
    assert list(found)[:2] == [NAME, NAME.replace("678", "679")]
    text = "".join((tmp_path / name).read_text() for name in found)
    assert [line[6] for line in text.splitlines()] == list("abcde")


def test_a_line_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, Limits(size=1), 10, MIB + 10, 10)
    assert list(sizes(tmp_path).values()) == [10, MIB + 10, 10]


def test_zero_is_no_limit(tmp_path: Path) -> None:
    written(tmp_path, Limits(size=0), MIB, MIB, 10)
    assert sizes(tmp_path) == {"audit.log": 2 * MIB + 10}
    names = [aside("audit.log", NOW - day * DAY) for day in range(900)]
    assert Limits(backups=0, age=0).surplus("audit.log", names, NOW) == []


def test_what_is_too_much_or_too_old_goes_and_nothing_else(tmp_path: Path) -> None:
    days = {day: aside("audit.log", NOW - day * DAY) for day in (1, 2, 3, 4)}
    names = [*days.values(), "audit.log", "notes.txt"]
    assert Limits(backups=3, age=0).surplus("audit.log", names, NOW) == [days[4]]
    assert Limits(backups=0, age=2).surplus("audit.log", names, NOW + 1) == [days[2], days[3], days[4]]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * MIB)
    written(tmp_path, Limits(size=1, backups=2, age=366), 10)
    assert sorted(sizes(tmp_path)) == sorted([days[1], NAME, "audit.log", "notes.txt"])


def test_a_log_that_cannot_be_put_aside_grows_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its folder takes no new name: here because the name would be too long."""
    long = tmp_path / f"{'a' * 240}.log"
    log = AuditLog(long, Clock(), Limits(size=1))
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            tell(log, MIB // 2 + 1)
            log.flush()
    assert sizes(tmp_path) == {long.name: 4 * (MIB // 2 + 1)}
    assert len([each for each in caplog.messages if "cannot be put aside" in each]) == 1


async def test_a_server_deletes_what_grew_old_while_it_was_down(tmp_path: Path) -> None:
    old = tmp_path / aside("audit.log", NOW - 2 * 366 * DAY)
    old.touch()
    limits = Limits(age=30)
    async with serving(audit=parse(EVERYTHING), audit_log=tmp_path / "audit.log", audit_limits=limits) as api:
        await api.config_map("a")
    assert not old.exists()
    assert (tmp_path / "audit.log").exists()
