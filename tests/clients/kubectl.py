"""The real kubectl on a cluster of ours, and a record of which of its subcommands have been seen to work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("kubectl")
LOCAL = frozenset({"completion", "config", "kuberc", "kustomize", "options", "plugin"})
"""Subcommands that never ask the API."""
GROUPS = frozenset({"apply", "auth", "certificate", "cluster-info", "create", "create secret", "create service"}) | {
    "rollout",
    "set",
    "top",
}
ALONE = frozenset({"apply", "cluster-info", "create"})
"""Groups that are commands of their own as well."""


def prepared(command: str, arguments: list[str]) -> str:
    """`create secret`, `get`: the name of a subcommand from its words."""
    name = command
    for word in arguments:
        if name not in GROUPS or word.startswith("-"):
            break
        name = f"{name} {word}"
    return name


def subcommands() -> set[str]:
    """Every subcommand of this kubectl that talks to the API, by its own help."""
    found: set[str] = set()
    waiting = [""]
    while waiting:
        group = waiting.pop()
        text = subprocess.run([PROGRAM, *group.split(), "--help"], capture_output=True, text=True).stdout
        part = (
            text.partition("Usage:")[0] if not group else text.partition("Available Commands:")[2].partition("\n\n")[0]
        )
        for name in re.findall(r"^  ([a-z][-a-z]*) {2,}\S", part, re.MULTILINE):
            full = f"{group} {name}".strip()
            if full in LOCAL:
                continue
            if full in GROUPS:
                waiting.append(full)
            if full not in GROUPS or full in ALONE:
                found.add(full)
    return found


@dataclass
class Kubectl:
    """`kubectl("get", "pods")` in `namespace`; what succeeded is added to `seen`."""

    config: Path
    seen: set[str]
    namespace: str = "default"
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), "--kubeconfig", str(self.config), "--namespace", self.namespace, *words]
        env = {**os.environ, "HOME": str(self.config.parent), **self.environment}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env=env)

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Its output. Fails the test where kubectl fails."""
        done = self.run(*words, stdin=stdin)
        if done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}")
        self.seen.add(prepared(words[0], list(words[1:])))
        return done.stdout

    def refused(self, *words: str, stdin: str = "") -> str:
        """What it says where it must not succeed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json"))

    def apply(self, manifest: Any) -> str:
        return self("apply", "-f", "-", stdin=json.dumps(manifest))

    def value(self, what: str, path: str) -> str:
        return self("get", what, "-o", f"jsonpath={{{path}}}")
