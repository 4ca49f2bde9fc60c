"""The documents say what the program does: commands, options, make targets, rooms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from podling.cli.main import commands, parser

ROOT = Path(__file__).parents[1]
README, ARCHITECTURE = ((ROOT / name).read_text() for name in ("README.md", "ARCHITECTURE.md"))


def test_every_command_of_the_readme_exists_and_every_command_is_in_it():
    found = commands()
    known = "|".join(sorted(found))
    section = README.partition("| Command |")[2].partition("\n\n")[0]
    shown = set(re.findall(rf"\b({known})\b", section))
    assert shown == set(found)
    for name in re.findall(r"podling (?:--)?([a-z][-a-z]*)", README):
        assert name in found or name in ("version",), f"podling {name}"


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", README.partition("| Command |")[2]))))
def test_every_option_of_the_readme_exists(option: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parser(commands()).parse_args(["start", "--help"])
    assert option in capsys.readouterr().out


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_architecture_tells_every_room():
    rooms = {path.parent.name for path in (ROOT / "src" / "podling").glob("*/__init__.py")}
    assert rooms == {room for room in rooms if f"`{room}/`" in ARCHITECTURE}
