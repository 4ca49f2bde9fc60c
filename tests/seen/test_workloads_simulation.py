"""What has to be seen of the simulation: seeds that break no rule, planted bugs that all are found.

`PODLING_SEEDS` says how many seeds; `make simulate` goes through twenty thousand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timed]
ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("PODLING_SEEDS", "1000"))
Show = Callable[[str, object, object], None]


def test_no_seed_breaks_a_rule(show: Show) -> None:
    began = time.monotonic()
    done = _run("podling.testing.exploration", "0", str(SEEDS))
    last = done.stdout.splitlines()[-1]
    show(f"{SEEDS} histories of the control plane", f"{last.split(';')[0]} ({time.monotonic() - began:.0f} s)", "0")
    assert done.returncode == 0, done.stdout + done.stderr


def test_eleven_of_eleven_planted_bugs_are_found_and_none_without_them(show: Show) -> None:
    done = _run("tests.mutants")
    show("planted bugs", done.stdout.splitlines()[-1], "11 of 11, no alarm")
    assert done.returncode == 0, done.stdout + done.stderr


def _run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *words], cwd=ROOT, capture_output=True, text=True, check=False)
