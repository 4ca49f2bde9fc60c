"""`make mutants`: plant each bug in a copy of the code, explore seeds until one breaks a rule, tell how many it took.

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


def explored(source: Path, seeds: int) -> tuple[bool, str]:
    """Whether no rule was broken, and the first broken one."""
    command = [sys.executable, "-m", "podling.testing.exploration", "0", str(seeds), "--stop"]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return done.returncode == 0, done.stdout.splitlines()[0] if done.stdout else done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="at most so many for each (default: 300)")
    given = parser.parse_args()
    found = 0
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory(prefix="podling-mutant-") as name:
            survived, first = explored(planted(mutant, Path(name)), given.seeds)
        found += not survived
        print(f"{'SURVIVED' if survived else 'found   '}  {mutant.name}\n          {first}", flush=True)
    clean, first = explored(SOURCE, given.seeds)
    print(f"{found} of {len(MUTANTS)} bugs found; without them {'no alarm' if clean else f'an alarm: {first}'}")
    sys.exit(found != len(MUTANTS) or not clean)


if __name__ == "__main__":
    main()
