"""Images made by hand: layers, configs, and the store that has them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

from podling.runtime.images import names
from podling.runtime.images.registry import this_architecture
from podling.runtime.images.store import Entry, ImageStore


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
