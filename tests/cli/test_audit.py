"""`podling start --audit-policy`: what happens is told to a file, also after a start that says nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cli.test_tokens import PROGRAMS, env_of, podling

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, userGroups: [system:masters], verbs: [create]}]
"""


def told(log: Path, name: str) -> dict[str, Any]:
    """The event about an object of this name, once it is written."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for event in map(json.loads, log.read_text().splitlines() if log.exists() else ()):
            if event.get("objectRef", {}).get("name") == name:
                return dict(event)
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def create(folder: Path, namespace: str) -> None:
    subprocess.run([PROGRAMS / "kubectl", "create", "namespace", namespace], env=env_of(folder), check=True)


def test_a_cluster_keeps_its_audit_log(tmp_path: Path) -> None:
    policy, log, name = tmp_path / "policy.yaml", tmp_path / "audit.log", f"audit-{os.getpid()}"
    policy.write_text(POLICY)
    try:
        words = ("start", "--name", name, "--runtime", "fake", "--audit-policy", policy, "--audit-log", log)
        done = podling(tmp_path, *words, "--audit-log-maxsize", "1", "--audit-log-maxbackup", "2")
        assert done.returncode == 0, done.stdout + done.stderr
        create(tmp_path, "one")
        assert told(log, "one")["user"]["username"] == "kubernetes-admin"
        assert log.stat().st_mode & 0o777 == 0o600
        podling(tmp_path, "stop", "--name", name)
        with log.open("a") as file:
            file.write(json.dumps({"filler": "x" * (1 << 20)}) + "\n")
        assert podling(tmp_path, "start", "--name", name).returncode == 0
        create(tmp_path, "two")
        assert told(log, "two")["verb"] == "create"
        (aside,) = tmp_path.glob("audit-20*.log")
        assert aside.stat().st_size > 1 << 20 and log.stat().st_mode & 0o777 == 0o600
    finally:
        podling(tmp_path, "delete", "--name", name)


def test_a_policy_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("kind: Policy")
    done = podling(tmp_path, "start", "--runtime", "fake", "--audit-policy", policy)
    assert done.returncode == 1 and "unknown group version" in done.stderr
    alone = podling(tmp_path, "start", "--runtime", "fake", "--audit-log", tmp_path / "x")
    assert alone.returncode == 1 and "--audit-log needs --audit-policy" in alone.stderr
    size = podling(tmp_path, "start", "--runtime", "fake", "--audit-log-maxsize", "1")
    assert size.returncode == 1 and "--audit-log-maxsize needs --audit-policy" in size.stderr
    policy.write_text(POLICY)
    negative = podling(tmp_path, "start", "--runtime", "fake", "--audit-policy", policy, "--audit-log-maxage", "-1")
    assert negative.returncode == 1 and "--audit-log-maxage -1 can't be a negative number" in negative.stderr
    assert not (tmp_path / "state").exists()
