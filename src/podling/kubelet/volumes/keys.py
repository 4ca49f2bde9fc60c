"""Keys of ConfigMaps and Secrets as files: all of them, or the chosen `items`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podling.api.kinds.core.references import KeyToPath
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.types import MountFailure

DEFAULT_MODE = 0o644


def files(
    data: Mapping[str, bytes],
    items: Sequence[KeyToPath],
    mode: int | None,
    user: int | None,
    optional: bool,
    what: str,
) -> dict[str, File]:
    """`what` names the object in the error for a key that is not there, e.g. `configmap`."""
    mode = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: File(content, mode, user) for key, content in data.items()}
    out: dict[str, File] = {}
    for item in items:
        if item.key in data:
            own = mode if item.mode is None else item.mode
            out[item.path] = File(data[item.key], own, user if item.user is None else item.user)
        elif not optional:
            key_words = "config key" if what == "configmap" else "secret key"
            raise MountFailure(f"{what} references non-existent {key_words}: {item.key}")
    return out
