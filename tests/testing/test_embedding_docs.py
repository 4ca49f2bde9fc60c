"""Every block of docs/testing.md is a test file of somebody else's project, with the plugin as it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run_pytest(folder: Path, *words: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", *words, "."]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_blocks_of_the_page_pass(tmp_path: Path):
    assert len(BLOCKS) == 3
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    tests = sum(len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE)) for block in BLOCKS)
    assert f"{tests} passed" in run_pytest(tmp_path)


def test_the_fixtures_are_listed_with_what_they_are(tmp_path: Path):
    (tmp_path / "test_nothing.py").write_text("")
    listed = run_pytest(tmp_path, "--fixtures")
    for name, text in (("podling_api", "empty API server"), ("podling_cluster", "one simulated node")):
        assert re.search(rf"^{name} --.*\n\s+.*{text}", listed, re.MULTILINE), listed


def test_each_test_has_its_own(tmp_path: Path):
    (tmp_path / "test_isolation.py").write_text("""
import pytest

MADE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}

@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("fixture", ["podling_api", "podling_cluster"])
def test_it_is_empty(fixture, again, request):
    own = request.getfixturevalue(fixture)
    own.run(own.client.transport.request("POST", "/api/v1/namespaces/default/configmaps", body=MADE))
""")
    assert "4 passed" in run_pytest(tmp_path)
