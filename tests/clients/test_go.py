"""Go: a program on client-go, with protobuf, informers and leader election; and an operator's suite on envtest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients import built
from tests.envtest.pair import write_assets

pytestmark = pytest.mark.skipif(not built.EVERYTHING, reason="Go programs are built and run by `make clients`")
SOURCE = Path(__file__).with_name("go")
STEPS = 15
OWN_SUITES = ("client", "controller", "envtest", "webhook")
"""Packages of controller-runtime whose tests start an envtest."""


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


def test_controller_runtimes_own_suites_pass_on_our_envtest(tmp_path: Path) -> None:
    go, folder = built.go_module(SOURCE)
    listed = [go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/controller-runtime"]
    module = Path(subprocess.check_output(listed, cwd=folder, text=True).strip())
    copy = built.FOLDER / "controller-runtime"
    # The module cache is read-only, and the suites write beside their files.
    shutil.copytree(module, copy, dirs_exist_ok=True, copy_function=_new_file)
    for each in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        each.chmod(0o755)
    env = {**os.environ, "KUBEBUILDER_ASSETS": str(write_assets(tmp_path / "assets"))}
    command = [go, "test", "-p", "1", "-count=1", *(f"./pkg/{each}" for each in OWN_SUITES)]
    done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, "\n".join(re.findall(r".*\[FAIL.*", done.stdout)) or done.stdout + done.stderr
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) == len(OWN_SUITES)


def _new_file(source: str, target: str) -> None:
    """What was copied before stays, so that the build cache knows it."""
    if not Path(target).exists():
        shutil.copyfile(source, target)
