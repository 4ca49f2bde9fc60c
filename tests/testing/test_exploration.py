"""Histories from seeds: a thousand of them break no rule, one is the same every time, and every rule can fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import podling
from podling.cli.main import main
from podling.testing.exploration import watchman
from podling.testing.exploration.explore import explore, lived
from podling.testing.exploration.mix import plan_of
from podling.testing.exploration.plan import Create, Delete, Trouble
from podling.testing.exploration.shrink import shrunk
from podling.testing.exploration.troubles import KINDS
from podling.testing.exploration.world import World
from podling.testing.faults import Faults
from tests.mutants.mutants import MUTANTS

Json = dict[str, Any]
SEEDS = 1000
SILENT = next(
    seed
    for seed in range(100)
    if any(isinstance(move, Trouble) and move.what == "silence" for move in plan_of(seed).moves)
)
"""A seed in whose story somebody falls silent."""
SOURCE = Path(podling.__file__).parent
MADE = {
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PriorityClass",
    "ReplicaSet",
    "ReplicationController",
    "ResourceQuota",
    "Service",
    "StatefulSet",
}


def test_a_thousand_histories_break_no_rule() -> None:
    command = [sys.executable, "-m", "podling.testing.exploration", "0", str(SEEDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"0 of {SEEDS} seeds broke a rule")


def test_a_seed_is_one_history() -> None:
    first, second = explore(SILENT), explore(SILENT)
    assert first == second
    assert len(first.log) > 100
    assert any("falls silent" in line for line in first.story)


def test_the_plans_of_many_seeds_hold_every_kind_of_deed_and_trouble() -> None:
    moves = [move for seed in range(300) for move in plan_of(seed).moves]
    assert {type(move).__name__ for move in moves} == {"Create", "Change", "Delete", "Release", "Evict", "Trouble"}
    made = {move.body["kind"] for move in moves if isinstance(move, Create)}
    assert made == MADE
    troubles = {(move.what, move.target.partition("-")[0]) for move in moves if isinstance(move, Trouble)}
    assert troubles == {(what, target) for what, target, _ in KINDS}
    ways = {move.propagation for move in moves if isinstance(move, Delete)}
    assert ways == {"Background", "Foreground", "Orphan"}
    faults = [plan_of(seed).faults for seed in range(300)]
    for name in faults[0].__struct_fields__:
        rates = [getattr(each, name) for each in faults]
        assert min(rates) == 0.0 < max(rates), name


def test_every_planted_bug_still_fits_its_place() -> None:
    for mutant in MUTANTS:
        assert (SOURCE / mutant.file).read_text().count(mutant.right) == 1, mutant.name
    assert len(MUTANTS) == 11


def test_a_seed_is_told_as_a_story() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "podling.cli.main", "simulate", "--seed", str(SILENT), "--writes"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert "  the user creates " in out.stdout
    assert "  TROUBLE: " in out.stdout
    assert " is bound to node-" in out.stdout
    assert "system:kube-controller-manager: POST /api/v1/namespaces/default/pods " in out.stdout
    assert out.stdout.rstrip().endswith("all was at rest.")


def test_a_plan_that_breaks_a_rule_is_shrunk_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: nobody may have more than one Pod."""
    monkeypatch.setitem(watchman.RULES, "core/pods", (_never_two_pods,))
    plan = next(plan for plan in map(plan_of, range(100)) if len(plan.moves) > 12)
    smaller, outcome = shrunk(plan, lived(plan))
    assert "two Pods" in outcome.violations[0]
    assert len(smaller.moves) == 1 and isinstance(smaller.moves[0], Create)
    assert smaller.faults == Faults()


def _never_two_pods(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if len(world.all("core/pods")) > 1:
        yield "two Pods"


def test_looking_through_no_seed_is_refused() -> None:
    assert main(["simulate", "--seeds", "0"]) == 2
