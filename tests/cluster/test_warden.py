"""The warden of a node process: what it starts again, what it lets be, and how soon."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podling.cluster.paths import NodePaths
from podling.cluster.process import Process
from podling.cluster.warden import LONGEST_REST, STEADY_SECONDS, Deaths
from tests.e2e.harness import eventually

SCRIPT = """
import os, signal, sys
from pathlib import Path
from podling.cluster.child import begin_log
from podling.cluster.launch import Reporter
from podling.cluster.paths import NodePaths
from podling.cluster.warden import Warden
from podling.env import SystemEnv

def life(reporter):
    if not reporter.wait_for_go():
        return 1
    with open("lives", "a") as lives:
        print(os.getpid(), file=lives)
    signal.pause()
    return 0

os.chdir(sys.argv[1])
begin_log()
sys.exit(Warden(NodePaths(Path.cwd()), life, SystemEnv()).run(Reporter(-1, -1)))
"""


class Watched:
    """A warden in a process of its own; its node processes write down their pids and wait."""

    def __init__(self, folder: Path) -> None:
        self.node = NodePaths(folder)
        self._keeper = (folder / "keeper.lock").open("w+")
        self._keeper.write("1")
        self._keeper.flush()
        fcntl.flock(self._keeper, fcntl.LOCK_EX)
        words = [sys.executable, "-c", SCRIPT, str(folder)]
        with self.node.log.open("w") as log:  # a pipe would stay open with what it started
            self.warden = subprocess.Popen(words, stderr=log)
        self.life(1)

    def arm(self) -> None:
        found = Process.of(self.warden.pid)
        assert found is not None
        found.save(self.node.warden_pid)

    def lives(self) -> list[int]:
        file = self.node.directory / "lives"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def life(self, number: int, seconds: float = 5) -> int:
        """The pid of the process that came so many-th."""
        eventually(lambda: len(self.lives()) >= number, seconds, f"life {number}")
        return self.lives()[number - 1]

    def keeper_ends(self) -> None:
        self._keeper.close()

    def end(self) -> str:
        """What it has said; all of its processes are gone."""
        self.warden.terminate()
        self.warden.wait(5)
        for pid in self.lives():
            if Process.of(pid):
                os.kill(pid, signal.SIGKILL)
        self._keeper.close()
        return self.node.log.read_text()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.end()


def test_rests_grow_with_every_early_death_and_begin_anew_after_a_steady_life() -> None:
    deaths, rests = Deaths(), []
    for _ in range(7):
        deaths = deaths.after(1.0)
        rests.append(deaths.rest)
    assert rests == [0.0, 1.0, 2.0, 4.0, 8.0, LONGEST_REST, LONGEST_REST]
    assert Deaths(5000).rest == LONGEST_REST
    assert deaths.after(STEADY_SECONDS).rest == 0.0


def test_what_was_killed_lives_again_and_is_written_down_with_the_reason_in_the_log(watched: Watched) -> None:
    watched.arm()
    first = watched.life(1)
    os.kill(first, signal.SIGKILL)
    second = watched.life(2)
    assert Process.load(watched.node.pid) == Process.of(second)
    said = watched.end()
    assert f"the node process (pid {first}) was killed by SIGKILL after " in said
    assert "its Pods run on, and it is started again at once" in said


def test_one_that_dies_again_and_again_waits_longer(watched: Watched) -> None:
    watched.arm()
    os.kill(watched.life(1), signal.SIGKILL)
    os.kill(watched.life(2), signal.SIGKILL)
    watched.life(3)
    assert "it is started again in 1 s" in watched.end()


def ended_alone(watched: Watched) -> None:
    assert watched.warden.wait(5) == 0
    assert len(watched.lives()) == 1


def test_before_the_first_life_is_ready_its_end_is_the_starters_business(watched: Watched) -> None:
    os.kill(watched.life(1), signal.SIGKILL)
    ended_alone(watched)


def test_a_node_without_its_keeper_is_no_node_any_more(watched: Watched) -> None:
    watched.arm()
    watched.keeper_ends()
    os.kill(watched.life(1), signal.SIGKILL)
    ended_alone(watched)


@pytest.mark.parametrize("when", ["alive", "resting"])
def test_told_to_end_it_starts_nothing_and_ends_nothing(watched: Watched, when: str) -> None:
    watched.arm()
    if when == "resting":
        os.kill(watched.life(1), signal.SIGKILL)
        os.kill(watched.life(2), signal.SIGKILL)
        eventually(lambda: Process.of(watched.life(2)) is None, 5, "the second life ended")
    before = watched.lives()
    watched.warden.terminate()
    assert watched.warden.wait(5) == 0
    assert watched.lives() == before
    assert when == "resting" or Process.of(before[-1]) is not None


def test_a_life_that_is_not_written_down_never_begins(watched: Watched) -> None:
    """The warden cannot write the pid file: its child hears no go and ends by itself."""
    watched.arm()
    watched.node.pid.mkdir()
    os.kill(watched.life(1), signal.SIGKILL)
    assert watched.warden.wait(5) != 0
    assert len(watched.lives()) == 1
