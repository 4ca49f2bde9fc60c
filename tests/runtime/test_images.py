"""The image store: layers come out as they went in, names move, what is used stays."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.runtime.images.merged import Merged, Part
from podling.runtime.images.service import ImageService
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.images.unpack import pack, unpack
from podling.runtime.interface import RuntimeFailure
from tests.runtime.imagefiles import digest, layer, put
from tests.runtime.machines import NoRegistry, real

pytestmark = real  # owners and whiteouts are root's


# Layers


def test_a_removed_file_is_a_whiteout_inside_and_a_wh_file_outside(tmp_path: Path) -> None:
    (tmp_path / "in.tar").write_bytes(layer(a__gone=None, a__here="x"))
    unpack(tmp_path / "in.tar", tmp_path / "layer")
    state = (tmp_path / "layer/a/gone").lstat()
    assert stat.S_ISCHR(state.st_mode)
    assert state.st_rdev == 0
    with open(tmp_path / "out.tar", "wb") as out:
        pack(tmp_path / "layer", out)
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert sorted(tar.getnames()) == ["a", "a/.wh.gone", "a/here"]


def test_an_opaque_folder_survives_the_way_in_and_out(tmp_path: Path) -> None:
    (tmp_path / "in.tar").write_bytes(layer(**{"a__.wh..wh..opq": "", "a__new": "x"}))
    unpack(tmp_path / "in.tar", tmp_path / "layer")
    assert os.getxattr(tmp_path / "layer/a", "trusted.overlay.opaque") == b"y"
    with open(tmp_path / "out.tar", "wb") as out:
        pack(tmp_path / "layer", out)
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert "a/.wh..wh..opq" in tar.getnames()


@pytest.mark.parametrize("evil", ["../out", "link/out"])
def test_a_layer_writes_nowhere_else(tmp_path: Path, evil: str) -> None:
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo(evil))
    with pytest.raises(tarfile.TarError):
        unpack(tmp_path / "in.tar", tmp_path / "layer")
    assert not (tmp_path / "out").exists()


def test_packing_the_same_folder_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "b").mkdir(parents=True)
    (folder / "b/x").write_text("x")
    os.link(folder / "b/x", folder / "a")
    (folder / "s").symlink_to("a")
    first, second = io.BytesIO(), io.BytesIO()
    pack(folder, first)
    pack(folder, second)
    assert first.getvalue() == second.getvalue()


def test_layers_are_seen_as_one_tree(tmp_path: Path) -> None:
    for name, tar in (("low", layer(a__x="low", a__y="low", b__z="low")), ("high", layer(a__x=None, a__y="high"))):
        (tmp_path / f"{name}.tar").write_bytes(tar)
        unpack(tmp_path / f"{name}.tar", tmp_path / name)
    (tmp_path / "low/bin").symlink_to("b")
    tree = Merged([Part("", tmp_path / "high"), Part("", tmp_path / "low")])
    assert tree.find("a/x") is None
    assert tree.read_text("a/y") == "high"
    assert tree.names("a") == ["y"]
    assert tree.names("") == ["a", "b", "bin"]
    assert tree.resolve("/bin/z") == "b/z"
    assert tree.resolve("bin/../a/./new") == "a/new"


# The store


def test_a_name_belongs_to_the_image_that_got_it_last(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    first, second = put(store, "x", layer(a="1")), put(store, "x", layer(a="2"))
    assert store.find("x") == second
    assert store.find(first.id[7:19]) == Entry(
        **{f: getattr(first, f) for f in first.__struct_fields__} | {"names": ()}
    )


def test_removing_the_last_name_frees_what_nobody_else_uses(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    shared, own = layer(a="1"), layer(b="2")
    put(store, "x", shared, own)
    put(store, "y", shared)
    assert store.remove("x") is not None
    assert store.find("x") is None
    assert store.layer(digest(shared)).is_dir()
    assert not store.layer(digest(own)).exists()
    assert store.remove("x") is None


def test_a_layer_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    with pytest.raises(ImageError, match="its name says"):
        store.put_layer(io.BytesIO(layer(a="1")), digest(b"other"))
    assert not list(store.root.glob("layers/*"))


def test_two_stores_of_one_folder_see_each_others_images(tmp_path: Path) -> None:
    one, other = ImageStore(tmp_path), ImageStore(tmp_path)
    put(one, "x", layer(a="1"))
    put(other, "y", layer(a="1"))
    assert [entry.names for entry in one.list()] == [("docker.io/library/x:latest", "docker.io/library/y:latest")]


async def test_what_was_made_here_satisfies_every_policy(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    service = ImageService(store, NoRegistry(), SystemEnv())
    made = put(store, "x", layer(a="1"), User="5")
    for policy in ("Always", "IfNotPresent", "Never"):
        image = await service.ensure("x", policy)  # type: ignore[arg-type]
        assert (image.id, image.user) == (made.id, "5")
    with pytest.raises(RuntimeFailure) as failure:
        await service.ensure("other", "IfNotPresent")
    assert failure.value.reason == "ErrImagePull"


def test_an_image_that_a_container_stands_on_is_not_removed(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    made = put(store, "x", layer(a="1"))
    (tmp_path / "c1").mkdir()
    store.hold(made.id, "c1", tmp_path / "c1")
    with pytest.raises(ImageError, match="in use by container c1"):
        store.remove("x")
    assert store.find("x") == made
    (tmp_path / "c1").rmdir()
    assert store.remove("x") == made


async def test_an_image_is_removed_by_its_id_unless_a_container_stands_on_it(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    service = ImageService(store, NoRegistry(), SystemEnv())
    entry = put(store, "docker.io/library/x:1", layer(a="1"))
    (tmp_path / "container").mkdir()
    service.hold(entry.id, "c1", tmp_path / "container")
    with pytest.raises(RuntimeFailure, match="in use by container c1"):
        service.remove(entry.id)
    (tmp_path / "container").rmdir()
    service.remove(entry.id)
    service.remove(entry.id)
    assert service.list() == ()
