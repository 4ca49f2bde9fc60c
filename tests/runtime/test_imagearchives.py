"""Archives of images: docker's and OCI's are loaded, what is saved comes back, what is damaged does not."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from podling.runtime.images import archive
from podling.runtime.images.store import ImageError, ImageStore
from tests.runtime.imagefiles import config_of, digest, layer, put
from tests.runtime.machines import real

pytestmark = real  # owners and whiteouts are root's


def docker_archive(path: Path, name: str, *layers: bytes, prefix: str = "", packed: bool = False) -> None:
    config = config_of(*layers)
    files = {"config.json": config} | {f"{n}/layer.tar": tar for n, tar in enumerate(layers)}
    if packed:
        files |= {f"{n}/layer.tar": gzip.compress(tar) for n, tar in enumerate(layers)}
    table = [{"Config": "config.json", "RepoTags": [name], "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}]
    files["manifest.json"] = json.dumps(table).encode()
    with tarfile.open(path, "w") as tar:
        for file, data in files.items():
            member = tarfile.TarInfo(prefix + file)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize(("prefix", "packed"), [("", False), ("./", False), ("", True)])
def test_a_docker_archive_is_loaded(tmp_path: Path, prefix: str, packed: bool) -> None:
    docker_archive(tmp_path / "a.tar", "x:1", layer(a="1"), layer(b="2"), prefix=prefix, packed=packed)
    store = ImageStore(tmp_path / "store")
    (entry,) = archive.load(store, tmp_path / "a.tar")
    assert entry.names == ("docker.io/library/x:1",)
    assert (store.layer(digest(layer(b="2"))) / "b").read_text() == "2"


def test_what_is_saved_is_loaded_as_the_same_image(tmp_path: Path) -> None:
    store, other = ImageStore(tmp_path / "one"), ImageStore(tmp_path / "two")
    made = put(store, "x:1", layer(a="1"), layer(a=None), Cmd=["a"])
    archive.save(store, ("x:1",), tmp_path / "a.tar")
    assert archive.load(other, tmp_path / "a.tar") == (made,)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {"manifest.json", "index.json", "oci-layout"} <= set(tar.getnames())


def test_a_damaged_archive_is_refused_and_nothing_is_entered(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    (tmp_path / "a.tar").write_bytes(b"no tar at all")
    with pytest.raises(ImageError, match="not an archive of images"):
        archive.load(store, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("something"))
    with pytest.raises(ImageError, match=r"neither manifest\.json nor index\.json"):
        archive.load(store, tmp_path / "b.tar")
    assert store.list() == ()
