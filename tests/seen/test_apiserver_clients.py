"""`make clients` prints passed/total for real, unmodified clients, and names those that cannot be had."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.timed

Show = Callable[[str, object, object], None]
ROOT = Path(__file__).parents[2]
ALWAYS = {"kubectl", "kubernetes", "kubernetes asyncio", "kr8s", "lightkube", "kopf"}
"""Clients that come with the test tools; the others are fetched where go and npm are."""


def test_every_client_passes_that_can_be_had_here(show: Show) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/clients"]
    env = {**os.environ, "PODLING_CLIENTS": "everything"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=3600)
    table = done.stdout.partition(" clients ")[2]
    lines = re.findall(r"^(\w[\w ]*?) {2,}(?:(\d+) of (\d+)|not run)(?: +\((.*)\))?$", table, re.MULTILINE)
    assert lines, done.stdout + done.stderr
    for client, passed, total, reason in lines:
        show(client, f"{passed} of {total}" if total else f"not run: {reason}", "all")
    assert {client for client, _, total, _ in lines if total} >= ALWAYS
    assert [line for line in lines if line[1] != line[2]] == []
    assert done.returncode == 0
