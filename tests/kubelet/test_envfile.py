"""Files of variables: what can be read, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podling.kubelet.envfile import MOST, read, value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("A='1'", "1"),
        ("B='2'\nA='1'\n", "1"),
        ("\n  # a comment\n\t\n  A='1'  # why\n", "1"),
        ("A='first'\nA='last'\n", "first"),
        ("A=''\n", ""),
        ("A= '1'\n", ""),
        ("AA='2'\nB='A=3'\nA='one\ntwo # three\n'\n", "one\ntwo # three\n"),
        ("A='$B \\n \"quoted\" a=b'\n", '$B \\n "quoted" a=b'),
        ("A='1'\nnot read any more", "1"),
    ],
)
def test_between_single_quotes_everything_is_meant_as_it_is(text: str, said: str) -> None:
    assert value(text, "A") == said


def test_names_are_free() -> None:
    assert value("my.key-1 $='x'\n", "my.key-1 $") == "x"


@pytest.mark.parametrize(
    "line", ["A=1", 'A="1"', "A", "A=", "='1'", "A ='1'", "A='1", "A='it'\\''s'", "A='1' B='2'", "export A"]
)
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="at line 3"):
        value(f"FINE='1'\n\n{line}\n", "Z")


def test_a_file_is_read_below_its_volume_only(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("SECRET='x'")
    (volume / "deep" / "file").write_text("A='1'")
    (volume / "away").symlink_to(outside)
    (volume / "link").symlink_to(outside / "file")
    assert read(volume, "deep/file") == "A='1'"
    assert read(volume, "missing") is None
    assert read(volume, "missing/file") is None
    for path in ("away/file", "link"):
        with pytest.raises(ValueError, match="cannot open"):
            read(volume, path)
    for path in ("../outside/file", "deep/../../outside/file", str(outside / "file")):
        with pytest.raises(ValueError, match="is not within its volume"):
            read(volume, path)


def test_only_a_small_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (MOST + 1))
    (tmp_path / "folder").mkdir()
    for path, why in (("pipe", "no regular file"), ("large", "larger than"), ("folder", "no regular file")):
        with pytest.raises(ValueError, match=why):
            read(tmp_path, path)
