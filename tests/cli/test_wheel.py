"""What the wheel brings along."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest


def test_the_wheel_holds_the_table_and_the_example(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("podling/api/schema/") and not name.endswith(".py") for name in names)
    assert "podling/examples/01-go-demo-2/svc/go-demo-2.yml" in names
    assert "podling/examples/01-go-demo-2/api/Containerfile" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "bench/")) for name in names)


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("demo", "--help"), ("start", "--help")])
def test_the_installed_program_answers(installed: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run([str(installed / "podling"), *words], capture_output=True, text=True, check=True)
    assert "podling" in done.stdout


def test_kubectl_comes_along(installed: Path) -> None:
    done = subprocess.run(
        [str(installed / "kubectl"), "version", "--client"], capture_output=True, text=True, check=True
    )
    assert "v1.37" in done.stdout


def test_the_installed_package_finds_its_example_and_table(installed: Path) -> None:
    look = (
        "from podling.cluster.demo import example_folder; from podling.api.schema import load;"
        "assert (example_folder() / 'svc').is_dir(); load(); print(example_folder())"
    )
    done = subprocess.run([str(installed / "python"), "-c", look], capture_output=True, text=True, check=True)
    assert "site-packages" in done.stdout
