"""The three executables of KUBEBUILDER_ASSETS, written as shell scripts that start this Python.

Scripts and no links, because the interpreter's path may be longer than a #! line may be, and because `-I` keeps the
folder of a Go package, in which tests run, from being searched for Python modules.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from podling.envtest.apiserverflags import CONTROLLERS


def write(folder: Path, kubectl: Path, controllers: Sequence[str] = ()) -> list[Path]:
    """Make the folder and what is in it; `controllers` run where the environment names none. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(sys.executable)
    default = f': "${{{CONTROLLERS}={",".join(controllers)}}}"\nexport {CONTROLLERS}\n'
    scripts = {
        "etcd": f'exec {python} -I -m podling.envtest.etcd "$@"\n',
        "kube-apiserver": f'{default}exec {python} -I -m podling.envtest.apiserver "$@"\n',
        "kubectl": f'exec {shlex.quote(str(kubectl))} "$@"\n',
    }
    return [_script(folder / name, text) for name, text in scripts.items()]


def _script(file: Path, text: str) -> Path:
    # A new file in the place of the old one: a running script is read line by line.
    new = file.with_suffix(".new")
    new.write_text(f"#!/bin/sh\n{text}")
    new.chmod(0o755)
    new.replace(file)
    return file
