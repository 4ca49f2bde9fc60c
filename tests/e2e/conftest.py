"""One cluster a module, deleted when its tests are over; a Pod called `box` to look out of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster, pod


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    name = str(request.module.__name__).rpartition(".")[2].removeprefix("test_").replace("_", "-")
    folder = tmp_path_factory.mktemp(name)
    with Cluster(folder / "state", name) as started:
        started.build_host_image(folder)
        yield started


@pytest.fixture(scope="module")
def box(cluster: Cluster) -> str:
    """The name of a Pod that sleeps, for commands to be run in."""
    cluster.create(pod("box", "sleep", "infinity"))
    cluster.wait_ready("box")
    return "box"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder of this test's own on the host."""
    return tmp_path
