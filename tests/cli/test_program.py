"""The process `podling` itself: once a command is done, its exit code stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, run

# What a late signal meets: the interpreter that takes itself down.
SIGNALLED_AT_ITS_END = """
import atexit, os, signal, sys
from podling.cli.main import program
atexit.register(os.kill, os.getpid(), signal.{name})
program()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    ("words", "code"),
    [(["--version"], 0), (["simulate", "--seeds", "1"], 0), (["ip", "--name", "nobody"], 1), (["fly"], 2)],
    ids=["by argparse", "done", "failed", "wrong usage"],
)
def test_a_signal_at_the_end_of_the_interpreter_changes_no_exit_code(
    tmp_path: Path, name: str, words: list[str], code: int
) -> None:
    program = [sys.executable, "-c", SIGNALLED_AT_ITS_END.format(name=name), *words]
    done = run(*program, env={"PODLING_STATE": str(tmp_path)})
    assert done.code == code, done.err
    assert "KeyboardInterrupt" not in done.err


def test_a_command_that_works_is_interrupted_and_says_so() -> None:
    process = subprocess.Popen(
        [BIN / "podling", "simulate", "--seed", "2", "--writes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,  # it has more to tell than that, and waits until somebody reads
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    process.send_signal(2)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (130, "podling: interrupted\n")


def test_the_module_is_the_same_program() -> None:
    script, module = (
        run(*words, "--version").ok().out for words in ([str(BIN / "podling")], [sys.executable, "-m", "podling"])
    )
    assert module == script
