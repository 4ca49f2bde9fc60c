"""The image store: layers come out as they went in, names move, archives and registries are checked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podling.env import SystemEnv
from podling.runtime.images import archive, names
from podling.runtime.images.merged import Merged, Part
from podling.runtime.images.registry import RegistryPuller, base_url, this_architecture
from podling.runtime.images.service import ImageService
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.images.unpack import pack, unpack
from podling.runtime.interface import RuntimeFailure
from tests.runtime.machines import NoRegistry, real

pytestmark = real  # owners and whiteouts are root's


def layer(**files: str | None) -> bytes:
    """A layer's tar; None removes what lies below, a name with a trailing `/` is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            path = name.replace("__", "/")
            if text is None:
                head, _, tail = path.rpartition("/")
                path, text = f"{head}/.wh.{tail}".lstrip("/"), ""
            member = tarfile.TarInfo("./" + path)
            member.size, member.mode = len(text), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config_of(*layers: bytes, **settings: Any) -> bytes:
    return json.dumps(
        {
            "architecture": this_architecture(),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in layers]},
        }
    ).encode()


def put(store: ImageStore, name: str, *layers: bytes, **settings: Any) -> Entry:
    for tar in layers:
        store.put_layer(io.BytesIO(tar))
    return store.add(config_of(*layers, **settings), (names.parse(name).name,), local=True)


# -- layers -----------------------------------------------------------------------------------------------------


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


# -- the store --------------------------------------------------------------------------------------------------


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


# -- archives ---------------------------------------------------------------------------------------------------


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


# -- registries -------------------------------------------------------------------------------------------------


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that asks for a token and serves what `content` holds."""

    content: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            self._answer(200, "application/json", b'{"token":"secret"}')
        elif self.headers.get("Authorization") != "Bearer secret":
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="test",scope="repository:a/b:pull"'
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": realm})
        elif self.path in self.content:
            self._answer(200, *self.content[self.path])
        else:
            self._answer(404, "text/plain", b"")

    def _answer(self, code: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@contextlib.contextmanager
def registry(content: dict[str, tuple[str, bytes]], kind: type[Registry] = Registry) -> Iterator[str]:
    handler = type("Handler", (kind,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def published(*layers: bytes) -> dict[str, tuple[str, bytes]]:
    """An index, of which one entry is for this machine."""
    config, blobs = config_of(*layers), [gzip.compress(tar) for tar in layers]
    manifest = json.dumps(
        {"config": {"digest": digest(config)}, "layers": [{"digest": digest(blob)} for blob in blobs]}
    ).encode()
    platforms = [("s390x", digest(b"other")), (this_architecture(), digest(manifest))]
    index = json.dumps(
        {"manifests": [{"digest": d, "platform": {"os": "linux", "architecture": a}} for a, d in platforms]}
    ).encode()
    base = "/v2/a/b"
    return {
        f"{base}/manifests/1": ("application/vnd.oci.image.index.v1+json", index),
        f"{base}/manifests/{digest(manifest)}": ("application/vnd.oci.image.manifest.v1+json", manifest),
        f"{base}/blobs/{digest(config)}": ("application/octet-stream", config),
        **{f"{base}/blobs/{digest(blob)}": ("application/octet-stream", blob) for blob in blobs},
    }


async def pull(store: ImageStore, name: str) -> Entry:
    return await RegistryPuller(store, SystemEnv(), {}).pull(names.parse(name))


async def test_an_image_is_pulled_with_a_token_through_an_index(tmp_path: Path) -> None:
    store, content = ImageStore(tmp_path), published(layer(a="1"), layer(b="2"))
    with registry(content) as host:
        entry = await pull(store, f"{host}/a/b:1")
        index = digest(content["/v2/a/b/manifests/1"][1])
        assert (entry.names, entry.digests) == ((f"{host}/a/b:1",), (f"{host}/a/b@{index}",))
        assert not entry.local
        assert store.find(f"{host}/a/b@{index}") == entry
        assert (store.layer(digest(layer(b="2"))) / "b").read_text() == "2"


class Private(Registry):
    """The same for `me` alone, who shows a password for the token, or (`basic`) with every request."""

    basic = False

    def do_GET(self) -> None:
        mine = "Basic " + base64.b64encode(b"me:secret").decode()
        shown = self.headers.get("Authorization", "")
        if self.basic and shown != mine:
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": 'Basic realm="here"'})
        elif self.path.startswith("/token") and shown != mine:
            self._answer(401, "text/plain", b"")
        else:
            if self.basic:
                self.headers.replace_header("Authorization", "Bearer secret")
            super().do_GET()


class Basic(Private):
    basic = True


@pytest.mark.parametrize("kind", [Private, Basic])
async def test_logins_are_tried_until_one_is_good(tmp_path: Path, kind: type[Private]) -> None:
    with registry(published(layer(a="1")), kind) as host:
        reference, puller = names.parse(f"{host}/a/b:1"), RegistryPuller(ImageStore(tmp_path), SystemEnv(), {})
        with pytest.raises(ImageError, match=r"denied|authorize"):
            await puller.pull(reference)
        with pytest.raises(ImageError, match=r"denied|authorize"):
            await puller.pull(reference, ("me:wrong", "you:secret"))
        assert (await puller.pull(reference, ("you:secret", "me:secret"))).names == (f"{host}/a/b:1",)
        own = RegistryPuller(ImageStore(tmp_path / "other"), SystemEnv(), {host: "me:secret"})
        assert (await own.pull(reference, ("you:secret",))).names == (f"{host}/a/b:1",)


async def test_a_blob_that_is_not_its_digest_is_refused(tmp_path: Path) -> None:
    content = published(layer(a="1"))
    forged = next(path for path in content if path.endswith(digest(gzip.compress(layer(a="1")))))
    content[forged] = ("application/octet-stream", gzip.compress(layer(a="2")))
    with registry(content) as host, pytest.raises(ImageError, match="another digest"):
        await pull(ImageStore(tmp_path), f"{host}/a/b:1")
    assert ImageStore(tmp_path).list() == ()


async def test_failures_are_told_in_the_words_that_people_search_for(tmp_path: Path) -> None:
    service = ImageService(ImageStore(tmp_path), RegistryPuller(ImageStore(tmp_path), SystemEnv(), {}), SystemEnv())
    with registry({}) as host, pytest.raises(RuntimeFailure) as missing:
        await service.ensure(f"{host}/a/b:2", "Always")
    assert missing.value.message.startswith(
        f'failed to pull and unpack image "{host}/a/b:2": failed to resolve reference'
    )
    assert missing.value.message.endswith("not found")
    with pytest.raises(RuntimeFailure) as refused:
        await service.ensure("127.0.0.1:1/x:1", "Always")
    assert refused.value.message.endswith("dial tcp 127.0.0.1:1: connect: connection refused")


def test_only_this_machine_itself_is_spoken_to_without_tls() -> None:
    assert base_url("127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert base_url("localhost") == "http://localhost"
    assert base_url("registry.example:5000") == "https://registry.example:5000"


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


async def test_pods_that_want_the_same_image_at_once_wait_for_one_pull(tmp_path: Path) -> None:
    asked: list[str] = []

    class Counting(RegistryPuller):
        async def pull(self, reference: names.Reference, logins: tuple[str, ...] = ()) -> Entry:
            asked.append(str(reference))
            return await super().pull(reference, logins)

    store = ImageStore(tmp_path)
    service = ImageService(store, Counting(store, SystemEnv(), {}), SystemEnv())
    with registry(published(layer(a="1"))) as host:
        images = await asyncio.gather(*(service.ensure(f"{host}/a/b:1", "IfNotPresent") for _ in range(5)))
    assert asked == [f"{host}/a/b:1"]
    assert len({image.id for image in images}) == 1


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
