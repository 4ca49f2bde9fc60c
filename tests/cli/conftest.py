"""Clusters that a test may start, and the wheel as a user installs it, in a place that everybody may read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that may be started; deleted at the end whatever state it is in."""
    cluster = Cluster(tmp_path / "state", f"cli{os.getpid()}")
    yield cluster
    sys.stderr.write(cluster.podling("logs", "-n", "30").out)  # shown where the test failed
    cluster.podling("delete")


@pytest.fixture
def running(made: Cluster) -> Cluster:
    made.start()
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", str(folder)]
    subprocess.run([*pip, str(ROOT)], check=True, timeout=300)
    (built,) = folder.glob("podling-*.whl")
    return built


@pytest.fixture(scope="session")
def public() -> Iterator[Path]:
    """A folder that every user of this machine may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="podling-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def installed(wheel: Path, public: Path) -> Path:
    """`bin` of a fresh virtual environment with nothing but the wheel and what it depends on."""
    interpreter = readable_interpreter()
    if interpreter is None:
        pytest.skip("no Python of this machine may be run by other users")
    subprocess.run([interpreter, "-m", "venv", str(public / "venv")], check=True, timeout=120)
    programs = public / "venv" / "bin"
    pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=600)
    return programs


def readable_interpreter() -> str | None:
    """A Python ≥ 3.11 that an unprivileged user may run too."""
    new_enough = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    for program in ("/usr/bin/python3", sys.executable):
        try:
            done = subprocess.run([*as_nobody(), program, "-c", new_enough], capture_output=True, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return program
    return None


def as_nobody() -> list[str]:
    """What goes before a command so that it runs without privileges."""
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
