"""A container's root file system from an image: which layers lie over which, and what is written where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from podling.runtime.images.host import HostBase, Interpreter, host_base
from podling.runtime.images.store import ImageStore


class Layers(msgspec.Struct, frozen=True):
    """Folders, uppermost first. `usr` is empty unless the image stands on the machine's own /usr."""

    root: tuple[str, ...]
    usr: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    path: str = ""


def image_layers(store: ImageStore, diff_ids: Sequence[str], on_host: bool, interpreter: Interpreter) -> Layers:
    """The layers of an image (lowest first, as its configuration lists them)."""
    own = [store.layer(digest) for digest in reversed(diff_ids)]
    if on_host:
        return on_machine(own, host_base(store.root / "host", interpreter))
    if not own:
        empty = store.root / "layers" / "empty"
        empty.mkdir(mode=0o755, parents=True, exist_ok=True)
        own = [empty]
    return Layers(tuple(map(str, own)))


def on_machine(own: Sequence[Path], base: HostBase) -> Layers:
    usr = [layer / "usr" for layer in own if (layer / "usr").is_dir()]
    return Layers(tuple(map(str, (*own, base.lower))), tuple(map(str, (*usr, *base.usr))), base.binds, base.path)


def mounts(layers: Layers, folder: Path, read_only: bool) -> list[dict[str, Any]]:
    """What the keeper mounts at `folder/rootfs`; what is written lands in `folder/upper` and `folder/upper-usr`."""
    wanted: list[dict[str, Any]] = [
        {
            "target": str(folder / "rootfs"),
            "lower": list(layers.root),
            "upper": str(folder / "upper"),
            "work": str(folder / "work"),
        }
    ]
    if layers.usr:
        usr: dict[str, Any] = {"target": str(folder / "rootfs" / "usr"), "lower": list(layers.usr)}
        if not read_only:
            usr |= {"upper": str(folder / "upper-usr"), "work": str(folder / "work-usr")}
        wanted.append(usr)
    return wanted


def read_only_mounts(layers: Layers, target: Path) -> list[dict[str, Any]]:
    """What shows an image's files at `target`, for everybody to read."""
    wanted: list[dict[str, Any]] = [{"target": str(target), "lower": list(layers.root)}]
    if layers.usr:
        wanted.append({"target": str(target / "usr"), "lower": list(layers.usr)})
    return wanted


def read_text(layers: Layers, path: str) -> str:
    """A small file as the container will see it, without a mount; empty where there is none or it was removed."""
    for layer in layers.root:
        place = Path(layer, path)
        if place.is_char_device():
            return ""
        if place.is_file() and not place.is_symlink():
            return place.read_text(encoding="utf-8", errors="replace")
    return ""
