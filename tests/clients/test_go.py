"""Go: a program on client-go, with protobuf, informers and leader election; and an operator's suite on envtest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients import built
from tests.envtest.pair import write_assets

pytestmark = pytest.mark.skipif(not built.EVERYTHING, reason="Go programs are built and run by `make clients`")
SOURCE = Path(__file__).with_name("go")
STEPS = 15


def test_every_step_of_a_program_on_client_go_works(kubeconfig: Path) -> None:
    go, folder = built.go_module(SOURCE)
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    subprocess.run([go, "build", "-o", "clientgo.program", "./clientgo"], cwd=folder, check=True, timeout=900)
    done = subprocess.run([folder / "clientgo.program"], env=env, capture_output=True, text=True, timeout=120)
    assert re.findall(r"^failed.*", done.stdout, re.MULTILINE) == []
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) == STEPS, done.stdout + done.stderr
    assert "Failed to release lease" not in done.stderr


def test_the_suite_of_an_operator_passes_on_our_envtest(tmp_path: Path) -> None:
    go, folder = built.go_module(SOURCE)
    env = {**os.environ, "KUBEBUILDER_ASSETS": str(write_assets(tmp_path / "assets"))}
    command = [go, "test", "-count=1", "-v", "./operator"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^--- PASS", done.stdout, re.MULTILINE)) == 5
