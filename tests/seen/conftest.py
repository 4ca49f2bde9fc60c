"""One cluster a module with its images, shared by the lines of an issue that do not break it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of all clusters of this session; images in it are built once."""
    return tmp_path_factory.mktemp("podling") / "state"


@pytest.fixture(scope="module")
def cluster(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(state, "seen") as started:
        work = tmp_path_factory.mktemp("images")
        started.build_host_image(work)
        started.build_images(work)
        yield started


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str, object, object], None]:
    """Prints a line of the list with its figure and its bound, whatever pytest captures."""

    def say(line: str, figure: object, bound: object) -> None:
        with capsys.disabled():
            print(f"\n  seen: {line}\n        {figure}   (bound: {bound})", flush=True)

    return say
