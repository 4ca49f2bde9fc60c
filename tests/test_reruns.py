"""`--reruns`, as in the Makefile: what stumbles is named, what is broken fails, nothing broken is used again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTEST = [sys.executable, "-m", "pytest", "-raR", "--reruns", "1", "-o", "asyncio_mode=auto"]
PYTEST += ["-p", "tests.reruns", "-p", "no:cacheprovider", "-p", "no:podling"]
FLAKY = """
import asyncio, pathlib, pytest
from hypothesis import given, settings, strategies

HERE = pathlib.Path(__file__).parent

def count(name):
    file = HERE / f"{name}.count"
    file.write_text(file.read_text() + "x" if file.exists() else "x")
    return len(file.read_text())

@pytest.fixture(scope="session")
def machine():
    yield count("machine")
    count("machine-gone")

@pytest.fixture(scope="module")
def cluster(machine):
    yield [machine, count("cluster")]
    count("cluster-gone")

def test_before(cluster):
    assert cluster == [1, 1]

def test_stumbles(cluster):
    if count("stumbles") == 1:
        cluster.append("broken")
        raise AssertionError("it stumbled")
    assert cluster == [2, 2]

def test_after(cluster):
    assert cluster == [2, 2]

@pytest.mark.looptime
async def test_stumbles_in_simulated_time():
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() - began == 3600
    assert count("simulated") == 2

@given(strategies.integers())
@settings(max_examples=5)
def test_stumbles_over_examples(number):
    count("examples")

@pytest.fixture
async def server():
    if count("server") == 1:
        raise OSError("the port is taken")
    yield "server"

async def test_stumbles_before_it_begins(server):
    assert server == "server"

def test_is_broken(cluster):
    count("broken")
    raise AssertionError("for good")
"""


@pytest.mark.parametrize("distribution", [(), ("-n", "1", "--dist", "worksteal")], ids=["alone", "distributed"])
def test_a_rerun_begins_with_nothing_and_is_named(tmp_path: Path, distribution: tuple[str, ...]) -> None:
    (tmp_path / "test_flaky.py").write_text(FLAKY)
    done = subprocess.run(
        [*PYTEST, *distribution, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 1, done.stdout
    assert "1 failed, 6 passed, 4 rerun" in last
    assert [line.rpartition("::")[2].split(" ")[0] for line in lines if line.startswith("RERUN ")] == [
        "test_stumbles",
        "test_stumbles_in_simulated_time",
        "test_stumbles_before_it_begins",
        "test_is_broken",
    ]
    ends = {file.stem: len(file.read_text()) for file in tmp_path.glob("*.count")}
    assert (ends["machine"], ends["machine-gone"]) == (ends["cluster"], ends["cluster-gone"]) == (4, 4)
    assert ends["broken"] == 2
