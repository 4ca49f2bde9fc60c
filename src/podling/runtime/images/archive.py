"""Archives of images: what `docker save` writes and OCI layouts, in and out.

Both are tars, told apart by their table of contents (`manifest.json`, `index.json`). Names in a tar may begin with
`./`, layers may be links to others or compressed; what counts is that their content has the digests that the
configuration names.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from podling.runtime.images import names
from podling.runtime.images.config import ImageConfig
from podling.runtime.images.registry import this_architecture
from podling.runtime.images.store import Entry, ImageError, ImageStore

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def load(store: ImageStore, archive: Path) -> tuple[Entry, ...]:
    """All images of an archive (plain or gzip), entered under their names. Raises ImageError. Synchronous."""
    try:
        with tarfile.open(archive, "r:*") as tar:
            contents = _Contents(tar)
            if contents.has("manifest.json"):
                return tuple(_load_docker(store, contents))
            if contents.has("index.json"):
                return tuple(_load_oci(store, contents))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ImageError(f"{archive} is not an archive of images: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{archive} is damaged: {error}") from error
    raise ImageError(f"{archive} holds neither manifest.json nor index.json")


def save(store: ImageStore, images: tuple[str, ...], archive: Path) -> None:
    """Write images (by name or id) as an OCI layout that `docker load` reads too. Raises ImageError."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        docker: list[dict[str, Any]] = []
        index: list[dict[str, Any]] = []
        written: set[str] = set()
        for wanted in images:
            entry = store.find(wanted)
            if entry is None:
                raise ImageError(f"no image {wanted}")
            config = store.config(entry.id)
            layers = list(config.rootfs.diff_ids)
            for digest in (entry.id, *layers):
                if digest not in written:
                    written.add(digest)
                    tar.add(store.blob(digest), _blob_name(digest), recursive=False, filter=_anonymous)
            manifest = _manifest(store, entry.id, layers)
            digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
            _put(tar, _blob_name(digest), manifest)
            docker.append(
                {"Config": _blob_name(entry.id), "RepoTags": entry.names, "Layers": [*map(_blob_name, layers)]}
            )
            descriptor = {"mediaType": _OCI_MANIFEST, "digest": digest, "size": len(manifest)}
            index += [
                descriptor
                | {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}
                for name in entry.names
            ] or [descriptor]
        _put(tar, "manifest.json", msgspec.json.encode(docker))
        _put(tar, "index.json", msgspec.json.encode({"schemaVersion": 2, "manifests": index}))
        _put(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


class _Contents:
    """A tar by normalised names; links are followed inside it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {posixpath.normpath(member.name): member for member in tar}

    def has(self, name: str) -> bool:
        return name in self._members

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        path = posixpath.normpath(name)
        for _ in range(8):
            member = self._members.get(path)
            if member is None:
                raise ImageError(f"the archive lacks {name}")
            if member.isreg() and (file := self._tar.extractfile(member)):
                with file:
                    yield file  # type: ignore[misc]
                return
            beside = posixpath.dirname(path) if member.issym() else ""
            path = posixpath.normpath(posixpath.join(beside, member.linkname))
        raise ImageError(f"{name} in the archive is no file")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()


def _load_docker(store: ImageStore, contents: _Contents) -> Iterator[Entry]:
    for image in json.loads(contents.read("manifest.json")):
        config = contents.read(image["Config"])
        _put_layers(store, contents, config, list(image["Layers"]))
        tags = tuple(names.parse(tag).name for tag in image.get("RepoTags") or ())
        yield store.add(config, tags, local=True)


def _load_oci(store: ImageStore, contents: _Contents) -> Iterator[Entry]:
    for descriptor in json.loads(contents.read("index.json"))["manifests"]:
        manifest = json.loads(contents.read(_blob_name(descriptor["digest"])))
        if "manifests" in manifest:
            manifest = json.loads(contents.read(_blob_name(_platform(manifest["manifests"]))))
        config = contents.read(_blob_name(manifest["config"]["digest"]))
        _put_layers(store, contents, config, [_blob_name(layer["digest"]) for layer in manifest["layers"]])
        notes = descriptor.get("annotations") or {}
        name = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name") or ""
        yield store.add(config, (names.parse(name).name,) if name else (), local=True)


def _platform(manifests: list[dict[str, Any]]) -> str:
    for entry in manifests:
        if entry.get("platform", {}).get("architecture", this_architecture()) == this_architecture():
            return str(entry["digest"])
    raise ImageError(f"the archive has no image for {this_architecture()}")


def _put_layers(store: ImageStore, contents: _Contents, config: bytes, places: list[str]) -> None:
    diff_ids = msgspec.json.decode(config, type=ImageConfig).rootfs.diff_ids
    if len(diff_ids) != len(places):
        raise ImageError("the archive's manifest and configuration disagree about the number of layers")
    for place, diff_id in zip(places, diff_ids, strict=True):
        if store.layer(diff_id).is_dir():
            continue
        with contents.open(place) as file:
            store.put_layer(file, diff_id)


def _manifest(store: ImageStore, config: str, layers: list[str]) -> bytes:
    def descriptor(kind: str, digest: str) -> dict[str, Any]:
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": digest, "size": store.blob(digest).stat().st_size}

    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": _OCI_MANIFEST,
            "config": descriptor("config.v1+json", config),
            "layers": [descriptor("layer.v1.tar", layer) for layer in layers],
        }
    )


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
