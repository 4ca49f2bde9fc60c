"""The page about controllers names every one there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from podling.controllermanager.manager import find_controllers

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r"^\| `(\S+)` \| (.*?) \| (.*?) *\|$", (ROOT / "docs" / "controllers.md").read_text(), re.MULTILINE)


def files() -> list[str]:
    return sorted(path.name for path in (ROOT / "src" / "podling" / "controllers").glob("[a-z]*.py"))


def test_every_controller_is_on_the_page_once_and_every_file_on_the_page_exists() -> None:
    assert sorted(name for _, here, _ in ROWS for name in re.findall(r"`([a-z]+\.py)`", here)) == files()


def test_every_file_is_a_controller_that_runs() -> None:
    assert len(find_controllers()) == len(files())


def test_upstreams_controllers_stand_there_in_order_and_once() -> None:
    names = [name for name, _, _ in ROWS]
    assert names == sorted(set(names)) and len(names) >= 49


def test_where_there_is_none_the_page_says_why() -> None:
    assert [name for name, here, why in ROWS if here == "none" and not why] == []


def test_what_the_page_points_to_exists() -> None:
    for path in re.findall(r"`([a-z]+/[a-z/]+\.py)`", (ROOT / "docs" / "controllers.md").read_text()):
        assert (ROOT / "src" / "podling" / path).exists(), path
