"""Histories from seeds: a thousand of them break no rule, one is the same every time, and every rule can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import podling
from podling.cli.main import main
from podling.testing.exploration.explore import explore
from podling.testing.exploration.plan import plan_of
from tests.mutants.mutants import MUTANTS

SEEDS = 1000
SOURCE = Path(podling.__file__).parent


def test_a_thousand_histories_break_no_rule() -> None:
    command = [sys.executable, "-m", "podling.testing.exploration", "0", str(SEEDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"0 of {SEEDS} seeds broke a rule")


def test_a_seed_is_one_history() -> None:
    first, second = explore(3), explore(3)
    assert first == second
    assert len(first.log) > 100
    assert any("falls silent" in line for line in first.story)


def test_the_plans_of_many_seeds_hold_every_kind_of_deed_and_trouble() -> None:
    moves = [move for seed in range(300) for move in plan_of(seed).moves]
    assert {type(move).__name__ for move in moves} == {"Create", "Change", "Delete", "Evict", "Trouble"}
    troubles = {(move.what, move.target.partition("-")[0]) for move in moves if type(move).__name__ == "Trouble"}
    assert troubles >= {("silence", "controllers"), ("silence", "scheduler"), ("silence", "node"), ("server", "")}
    assert troubles >= {("jump", ""), ("taint", "node"), ("cordon", "node")}
    faults = [plan_of(seed).faults for seed in range(300)]
    for name in faults[0].__struct_fields__:
        rates = [getattr(each, name) for each in faults]
        assert min(rates) == 0.0 < max(rates), name


def test_every_planted_bug_still_fits_its_place() -> None:
    for mutant in MUTANTS:
        assert (SOURCE / mutant.file).read_text().count(mutant.right) == 1, mutant.name
    assert len(MUTANTS) == 10


def test_a_seed_is_told_as_a_story() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "podling.cli.main", "simulate", "--seed", "3", "--writes"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert "the user creates StatefulSet db1" in out.stdout
    assert "system:kube-controller-manager: POST /api/v1/namespaces/default/pods " in out.stdout
    assert out.stdout.rstrip().endswith("all was at rest.")


def test_looking_through_no_seed_is_refused() -> None:
    assert main(["simulate", "--seeds", "0"]) == 2
