"""Clients that are fetched and built first: where go and npm are, outside this folder, once a machine's boot.

What cannot be had is said by name: a test that needs it is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(tempfile.gettempdir()) / f"podling-clients-{os.getuid()}"
BUILD_SECONDS = 1500
EVERYTHING = os.environ.get("PODLING_CLIENTS") == "everything"
"""`make clients`: also what has to be fetched and built first."""


def _run(command: list[str], folder: Path, why: str, **environment: str) -> None:
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"{why}: {' '.join(last)}")


def _needs(program: str, for_what: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{for_what} needs {program}, which is not installed")
    return found


def helm() -> Path:
    """Helm 4: the machine's own, or built from its module."""
    own = shutil.which("helm")
    if own and subprocess.run([own, "version", "--short"], capture_output=True, text=True).stdout.startswith("v4."):
        return Path(own)
    program = FOLDER / "bin" / "helm"
    if not program.exists():
        go = _needs("go", "helm 4 (it is on no package index, so it is built)")
        program.parent.mkdir(parents=True, exist_ok=True)
        package = "helm.sh/helm/v4/cmd/helm@latest"
        _run([go, "install", package], FOLDER, f"go install {package} failed", GOBIN=str(program.parent))
    return program


def go_module(source: Path) -> tuple[str, Path]:
    """The go command, and a copy of a module of ours whose dependencies were fetched."""
    go = _needs("go", "client-go")
    folder = FOLDER / "go"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    _run([go, "mod", "download"], folder, "the Go module proxy was not reached")
    return go, folder


def node_version() -> int:
    """The major version of the machine's Node.js."""
    node = _needs("node", "@kubernetes/client-node")
    return int(subprocess.check_output([node, "--version"], text=True).lstrip("v").partition(".")[0])


def node_module(source: Path, *packages: str) -> tuple[str, Path]:
    """The node command, and a copy of a program of ours beside its packages."""
    node, npm = _needs("node", "@kubernetes/client-node"), _needs("npm", "@kubernetes/client-node")
    folder = FOLDER / "node"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    if not (folder / "node_modules").exists():
        options = ["--no-audit", "--no-fund", "--prefix", str(folder)]
        _run([npm, "install", *options, *packages], folder, f"npm install {' '.join(packages)} failed")
    return node, folder
