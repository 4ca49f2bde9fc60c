"""The image store: blobs by digest, unpacked layers, and an index of names.

Several processes share it (a build beside a node), so every file appears by rename and the index changes under a
lock. Synchronous, and only C-heavy work: callers on a loop use `env.in_thread`.

    blobs/sha256/<hex>   configurations, manifests, layers as uncompressed tars (named by diff id)
    layers/<16 hex>/     the same layers unpacked, whiteouts as overlayfs wants them
    used/<16 hex>.<container>   links to the folders of containers that stand on an image
    index.json           id → names, digests, size, whether it was made here
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from podling.runtime.images import names
from podling.runtime.images.config import ImageConfig
from podling.runtime.images.unpack import unpack

CHUNK = 1 << 20


class ImageError(Exception):
    """What was asked of the store or of an archive cannot be done; the text is for the user."""


class Entry(msgspec.Struct, frozen=True):
    """An image in the index. `local`: built or loaded here, so that no policy asks for a pull."""

    id: str
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    local: bool = False
    user: str = ""
    created: str = ""


@contextmanager
def _plain(file: BinaryIO) -> Iterator[BinaryIO | gzip.GzipFile]:
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        with gzip.open(file) as unpacked:
            yield unpacked
    elif magic == b"\x28\xb5\x2f\xfd":
        raise ImageError("a layer is compressed with zstd, which is not supported")
    else:
        yield file


class ImageStore:
    """All images under `root`, which is made when first used."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: tuple[tuple[int, int, int], dict[str, Entry]] | None = None

    # -- names --------------------------------------------------------------------------------------------------

    def list(self) -> tuple[Entry, ...]:
        return tuple(self._index().values())

    def find(self, wanted: str) -> Entry | None:
        """By id (also `sha256:` and the first characters), name, or name and digest. Raises InvalidName."""
        index = self._index()
        bare = wanted.removeprefix("sha256:")
        if len(bare) >= 6 and all(c in "0123456789abcdef" for c in bare):
            for entry in index.values():
                if entry.id.removeprefix("sha256:").startswith(bare):
                    return entry
        reference = names.parse(wanted)
        digest = f"{reference.repository}@{reference.digest}"
        for entry in index.values():
            if (digest in entry.digests) if reference.digest else (reference.name in entry.names):
                return entry
        return None

    def add(self, config: bytes, image_names: tuple[str, ...], digest: str = "", local: bool = False) -> Entry:
        """Enter an image whose layers are here; its names leave the images that had them. Names are completed ones."""
        parsed = msgspec.json.decode(config, type=ImageConfig)
        for layer in parsed.rootfs.diff_ids:
            if not self.layer(layer).is_dir():
                raise ImageError(f"layer {layer} is missing")
        image = self.put_blob(config)
        size = len(config) + sum(self.blob(layer).stat().st_size for layer in parsed.rootfs.diff_ids)
        with self._changing() as index:
            for other in list(index.values()):
                rest = tuple(name for name in other.names if name not in image_names)
                if rest != other.names and other.id != image:
                    index[other.id] = msgspec.structs.replace(other, names=rest)
            before = index.get(image) or Entry(image)
            index[image] = Entry(
                image,
                tuple(dict.fromkeys((*before.names, *image_names))),
                tuple(dict.fromkeys((*before.digests, *((digest,) if digest else ())))),
                size,
                before.local or local,
                parsed.settings.user,
                parsed.created,
            )
            return index[image]

    def remove(self, wanted: str) -> Entry | None:
        """Take a name away; with its last name (or asked for by id) the image goes, and what only it used. Raises
        ImageError while a container stands on it."""
        with self._changing() as index:
            entry = self.find(wanted)
            if entry is None:
                return None
            name = "" if entry.id.removeprefix("sha256:").startswith(wanted.removeprefix("sha256:")) else wanted
            rest = tuple(n for n in entry.names if name and n != names.parse(name).name)
            if rest:
                index[entry.id] = msgspec.structs.replace(entry, names=rest)
            else:
                if user := self._user_of(entry.id):
                    raise ImageError(f"image {wanted} is in use by container {user}")
                del index[entry.id]
                self._drop_unused(entry, index)
        return entry

    def hold(self, image: str, container: str, folder: Path) -> None:
        """A container stands on the image's layers as long as its `folder` exists."""
        link = self.root / "used" / f"{image.removeprefix('sha256:')[:16]}.{container}"
        link.parent.mkdir(mode=0o755, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)

    def _user_of(self, image: str) -> str:
        for link in (self.root / "used").glob(f"{image.removeprefix('sha256:')[:16]}.*"):
            if link.exists():
                return link.name.partition(".")[2]
            link.unlink(missing_ok=True)
        return ""

    def config(self, image: str) -> ImageConfig:
        """Raises ImageError where there is no such image."""
        return msgspec.json.decode(self.config_bytes(image), type=ImageConfig)

    def config_bytes(self, image: str) -> bytes:
        try:
            return self.blob(image).read_bytes()
        except FileNotFoundError:
            raise ImageError(f"no image {image}") from None

    # -- blobs and layers ---------------------------------------------------------------------------------------

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def layer(self, digest: str) -> Path:
        """Short, because the kernel takes no more than a page of layer names for one mount."""
        return self.root / "layers" / digest.removeprefix("sha256:")[:16]

    def put_blob(self, data: bytes) -> str:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if not self.blob(digest).exists():
            with self.scratch() as folder:
                (folder / "blob").write_bytes(data)
                self._move(folder / "blob", self.blob(digest))
        return digest

    def put_layer(self, tar: BinaryIO, expected: str = "", progress: Callable[[int], None] = lambda n: None) -> str:
        """Unpack a layer (plain or gzip) and keep its plain tar; returns its diff id. Raises ImageError if that is
        not `expected`, OSError, EOFError or zlib.error where it is damaged."""
        with self.scratch() as folder:
            digest = hashlib.sha256()
            with open(folder / "tar", "wb") as copy, _plain(tar) as source:
                while piece := source.read(CHUNK):
                    digest.update(piece)
                    copy.write(piece)
                    progress(len(piece))
            name = "sha256:" + digest.hexdigest()
            if expected and name != expected:
                raise ImageError(f"a layer's content is {name}, its name says {expected}")
            if not self.layer(name).exists():
                unpack(folder / "tar", folder / "layer")
                self._move(folder / "layer", self.layer(name))
            self._move(folder / "tar", self.blob(name))
            return name

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the same disk, gone afterwards."""
        (self.root / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            os.rename(source, target)
        except OSError:
            if not target.exists():  # somebody else made the same layer meanwhile
                raise

    # -- the index ----------------------------------------------------------------------------------------------

    def _index(self) -> dict[str, Entry]:
        path = self.root / "index.json"
        try:
            state = path.stat()
        except FileNotFoundError:
            return {}
        stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, msgspec.json.decode(path.read_bytes(), type=dict[str, Entry]))
        return self._read[1]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Entry]]:
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.root / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            index = dict(self._index())
            yield index
            new = self.root / "index.json.new"
            new.write_bytes(msgspec.json.format(msgspec.json.encode(index)))
            os.rename(new, self.root / "index.json")

    def _drop_unused(self, gone: Entry, index: dict[str, Entry]) -> None:
        used = {layer for entry in index.values() for layer in self.config(entry.id).rootfs.diff_ids}
        for layer in set(self.config(gone.id).rootfs.diff_ids) - used:
            shutil.rmtree(self.layer(layer), ignore_errors=True)
            self.blob(layer).unlink(missing_ok=True)
        self.blob(gone.id).unlink(missing_ok=True)
