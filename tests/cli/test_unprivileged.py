"""Without root: what is explained, what works all the same, and a server that gives root away."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import NOBODY, as_nobody
from tests.e2e.harness import eventually

pytestmark = pytest.mark.real


class Nobody:
    """A user without privileges and with a home of his own."""

    def __init__(self, programs: Path, home: Path) -> None:
        self.programs, self.home = programs, home
        self._env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*as_nobody(), str(self.programs / program), *words]
        return subprocess.run(
            command, cwd=self.home, env=self._env, capture_output=True, text=True, timeout=60, check=False
        )

    def ok(self, program: str, *words: str) -> str:
        done = self.run(program, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def nobody(installed: Path, public: Path) -> Nobody:
    home = public / "home"
    home.mkdir(exist_ok=True)
    os.chown(home, NOBODY, NOBODY)
    return Nobody(installed, home)


def test_start_explains_why_root_is_needed_and_gives_the_exact_command(nobody: Nobody) -> None:
    done = nobody.run("podling", "start", "--proxy-mode", "userspace")
    assert done.returncode == 1
    assert "which only root may" in done.stderr
    assert f"sudo {nobody.programs}/podling start --proxy-mode userspace" in done.stderr
    assert "podling start --runtime fake" in done.stderr
    assert not list(nobody.home.rglob("*"))


def test_images_are_explained_too(nobody: Nobody) -> None:
    done = nobody.run("podling", "image", "ls")
    assert done.returncode == 1
    assert f"sudo {nobody.programs}/podling image ls" in done.stderr


def test_doctor_says_what_is_missing_and_fails(nobody: Nobody) -> None:
    done = nobody.run("podling", "doctor")
    assert done.returncode == 1
    assert "✗ root" in done.stdout
    assert nobody.run("podling", "doctor", "--runtime", "fake").returncode == 0


def test_a_simulated_cluster_lives_without_root_from_start_to_delete(nobody: Nobody) -> None:
    try:
        started = nobody.ok("podling", "start", "--runtime", "fake")
        assert "Pods are simulated (--runtime fake): nothing runs in them." in started
        nobody.ok("kubectl", "create", "deployment", "web", "--image=nginx", "--replicas=3")
        nobody.ok("kubectl", "wait", "--for=condition=Available", "deployment/web", "--timeout=20s")
        status = json.loads(nobody.ok("podling", "status", "-o", "json"))
        assert os.stat(f"/proc/{status['server']['pid']}").st_uid == NOBODY
        logs = nobody.run("kubectl", "logs", "deployment/web")
        assert "the node is simulated" in logs.stderr
        nobody.ok("podling", "stop")
        nobody.ok("podling", "start")
        assert len(json.loads(nobody.ok("kubectl", "get", "pods", "-o", "json"))["items"]) == 3
    finally:
        nobody.ok("podling", "delete")
    assert not (nobody.home / ".kube" / "config").exists()
    assert not (nobody.home / ".local/share/podling").exists()


@pytest.fixture
def sudo(installed: Path, public: Path) -> dict[str, Any]:
    """The environment of a command run by root for an ordinary user."""
    return os.environ | {
        "SUDO_UID": str(NOBODY),
        "SUDO_GID": str(NOBODY),
        "PODLING_STATE": str(public / "sudo-state"),
        "KUBECONFIG": str(public / "sudo-kubeconfig"),
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="plays sudo")
def test_under_sudo_the_server_is_the_users_and_the_cluster_works(
    installed: Path, public: Path, sudo: dict[str, Any]
) -> None:
    def run(program: str, *words: str) -> str:
        command = [str(installed / program), *words]
        done = subprocess.run(command, env=sudo, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("podling", "start", "--name", "under-sudo")
    try:
        status = json.loads(run("podling", "status", "--name", "under-sudo", "-o", "json"))
        pid = status["server"]["pid"]
        ids = Path(f"/proc/{pid}/status").read_text().splitlines()
        assert next(line for line in ids if line.startswith("Uid:")).split()[1:] == [str(NOBODY)] * 4
        assert next(line for line in ids if line.startswith("Groups:")).split()[1:] == []
        assert next(line for line in ids if line.startswith("CapEff:")).split()[1] == "0" * 16
        assert (public / "sudo-kubeconfig").stat().st_uid == NOBODY
        (public / "host").mkdir(exist_ok=True)
        (public / "host" / "Containerfile").write_text('FROM host\nCMD ["sh", "-c", "echo runs; sleep 60"]\n')
        run("podling", "image", "build", "-t", "host:1", str(public / "host"))
        run("kubectl", "run", "a", "--image=host:1", "--image-pull-policy=Never")
        run("kubectl", "wait", "--for=condition=Ready", "pod/a", "--timeout=20s")
        eventually(lambda: run("kubectl", "logs", "a") == "runs\n", 10, "the Pod's log")
        run("kubectl", "exec", "a", "--", "true")
    finally:
        run("podling", "delete", "--name", "under-sudo")
    assert not (public / "sudo-kubeconfig").exists()
    assert not (public / "sudo-state").exists()
