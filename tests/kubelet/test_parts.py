"""Parts of volumes: what is opened is below the volume, whatever links its containers plant."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from podling.kubelet.volumes.parts import NotMade, Parts, open_part


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    made = tmp_path / "volume"
    (made / "..2026" / "deep").mkdir(parents=True)
    (made / "..2026" / "deep" / "file").write_text("content")
    (made / "..data").symlink_to("..2026")
    (made / "deep").symlink_to("..data/deep")
    (made / "out").symlink_to("..")
    (made / "absolute").symlink_to("/etc")
    (made / "dangling").symlink_to("nowhere")
    return made


def named(volume: Path, sub_path: str) -> Path:
    return Parts().part(volume, sub_path, "c", 0)


@pytest.mark.parametrize(
    ("sub_path", "real"),
    [("deep/file", "..2026/deep/file"), ("deep", "..2026/deep"), (".", "."), ("new/and/deep", "new/and/deep")],
)
def test_links_are_followed_inside_and_folders_made_where_nothing_is(volume: Path, sub_path: str, real: str) -> None:
    assert named(volume, sub_path) == Path(os.path.normpath(volume / real))


def test_new_folders_are_as_open_as_their_volume(volume: Path) -> None:
    volume.chmod(0o2777)
    named(volume, "new/folder")
    modes = [stat.S_IMODE((volume / name).stat().st_mode) for name in ("new", "new/folder")]
    assert modes == [0o2777, 0o2777]


@pytest.mark.parametrize("sub_path", ["out", "out/other", "absolute", "absolute/passwd", "deep/../../.."])
def test_what_leads_out_is_refused_and_nothing_is_made_there(volume: Path, sub_path: str) -> None:
    before = set(volume.parent.iterdir())
    with pytest.raises(OSError):
        named(volume, sub_path)
    assert set(volume.parent.iterdir()) == before


@pytest.mark.parametrize("sub_path", ["dangling", "deep/file/below"])
def test_where_no_folder_can_be_made_that_is_said(volume: Path, sub_path: str) -> None:
    with pytest.raises(NotMade if sub_path == "dangling" else NotADirectoryError):
        named(volume, sub_path)


def test_a_link_that_is_swapped_again_and_again_never_leads_out(volume: Path) -> None:
    (volume / "inside").mkdir()
    (volume / "swapped").symlink_to("inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("inside", "/etc"):
                (volume / "tmp").symlink_to(target)
                (volume / "tmp").rename(volume / "swapped")

    swapper = threading.Thread(target=swap)
    swapper.start()
    found = set()
    try:
        for _ in range(1000):
            try:
                opened = open_part(volume, "swapped")
            except OSError:
                found.add("refused")
                continue
            found.add(os.readlink(f"/proc/self/fd/{opened}"))
            os.close(opened)
    finally:
        stop.set()
        swapper.join()
    assert found == {"refused", str(volume / "inside")}
