"""`make mutants`: plant each bug in a copy of the code, explore seeds until one breaks a rule, tell which and how.

Without any bug the same seeds break no rule. Exit code 0 when all bugs were found and there was no false alarm.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant

SOURCE = Path(__file__).parents[2] / "src"


def planted(mutant: Mutant, folder: Path) -> Path:
    """A copy of the sources with the bug."""
    copy = folder / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "podling" / mutant.file
    text = path.read_text()
    if text.count(mutant.right) != 1:
        raise SystemExit(f"{mutant.file}: the mutant “{mutant.name}” does not fit any more")
    path.write_text(text.replace(mutant.right, mutant.wrong))
    return copy


def explored(source: Path, seeds: int) -> str:
    """The first seed that broke a rule, with the rule; empty where none did."""
    command = [sys.executable, "-m", "podling.testing.exploration", "0", str(seeds), "--stop"]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()[0] if done.returncode else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="at most so many for each (default: 300)")
    given = parser.parse_args()
    found = 0
    for number, mutant in enumerate(MUTANTS, 1):
        with tempfile.TemporaryDirectory(prefix="podling-mutant-") as name:
            first = explored(planted(mutant, Path(name)), given.seeds)
        found += bool(first)
        print(f"{number:2}. {mutant.name}\n    {f'found by {first}' if first else 'SURVIVED'}", flush=True)
    alarm = explored(SOURCE, given.seeds)
    without = f"an alarm: {alarm}" if alarm else "no alarm"
    print(f"{found} of {len(MUTANTS)} bugs found; without them {without} in {given.seeds} seeds")
    sys.exit(found != len(MUTANTS) or bool(alarm))


if __name__ == "__main__":
    main()
