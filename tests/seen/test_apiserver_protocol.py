"""Counts of the API server's lines: conformance behaviours, the matrix, golden refusals, fuzzed requests.

`make conformance`, `make api-matrix` and `make fuzz` are run as programs, on what needs no container; the million
requests of `make fuzz` are a share of it here (FUZZED=1000000 sends them all).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timed]

Show = Callable[[str, object, object], None]
ROOT = Path(__file__).parents[2]
REQUESTS = int(os.environ.get("FUZZED", "20000"))


def run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_conformance_behaviours_are_shown(show: Show) -> None:
    found = re.search(r"conformance\s+(\d+) of (\d+)", run("tests.conformance", "tests/conformance"))
    assert found is not None
    show("conformance behaviours that need no container", f"{found[1]} of {found[2]}", "about 120")
    assert int(found[1]) >= 120 and int(found[2]) == 462


def test_every_cell_of_the_matrix_is_tried(show: Show) -> None:
    run("pytest", "-q", "tests/matrix")
    rows = [line for line in (ROOT / "docs" / "api-matrix.md").read_text().splitlines() if line.startswith("| ")][2:]
    tried, elsewhere = (sum(row.count(mark) for row in rows) for mark in "✓·")
    show("resource × verb × version", f"{tried} tried, {elsewhere} with a node behind them", "no cell without a test")
    assert not any("?" in row for row in rows)


def test_bad_requests_are_refused_in_golden_words(show: Show) -> None:
    run("pytest", "-q", "tests/apiserver/test_refusals.py")
    golden = (ROOT / "tests" / "apiserver" / "golden" / "refusals.txt").read_text()
    count = golden.count("\n# ") + 1
    show("golden texts of refused requests", count, "150")
    assert count >= 150


def test_fuzzed_requests_end_neither_in_a_500_nor_in_a_hang(show: Show) -> None:
    told = run("tests.fuzz", str(REQUESTS)).strip().splitlines()[-1]
    show("fuzzed requests", told, "no 500, no hang")
    assert "0 kinds of wrong answers" in told
