"""`podling image …`, where it cannot be done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("containerfile", "complaint"),
    [
        ("FROM host\nCOPY missing /x\n", "missing"),
        ("FROM host\nFLY away\n", "FLY"),
        ("RUN true\n", "FROM"),
        ("FROM host\nRUN exit 3\n", "3"),
        ("FROM 127.0.0.1:9/none:1\n", "127.0.0.1:9"),
        ("", "no instructions"),
    ],
    ids=["missing file", "unknown instruction", "no FROM", "failing RUN", "unreachable base", "empty"],
)
def test_a_build_that_fails_says_why_and_leaves_no_image(
    made: Cluster, tmp_path: Path, containerfile: str, complaint: str
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Containerfile").write_text(containerfile)
    done = made.podling("image", "build", "-t", "broken:1", str(context))
    assert done.code == 1
    assert complaint in done.err
    assert "Traceback" not in done.err
    assert "broken" not in made.podling("image", "ls").ok().out
    shutil.rmtree(made.root, ignore_errors=True)


def test_images_that_are_not_there_are_told(made: Cluster, tmp_path: Path) -> None:
    for words in (
        ("rm", "none:1"),
        ("save", "none:1", "-o", str(tmp_path / "x.tar")),
        ("load", str(tmp_path / "none.tar")),
        ("build", "-t", "x", str(tmp_path / "nowhere")),
        ("build", "-t", "UPPER:1", str(tmp_path)),
        ("pull", "127.0.0.1:9/none:1"),
    ):
        done = made.podling("image", *words)
        assert done.code == 1, words
        assert done.err.startswith("podling: ")
        assert "Traceback" not in done.err
    shutil.rmtree(made.root, ignore_errors=True)
