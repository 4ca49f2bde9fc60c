"""ConfigMaps and Secrets as files: their keys, all of them or the chosen `items`.

Both kinds are the same thing to a volume; they differ in how their values are encoded and in upstream's words.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Literal

from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.references import KeyToPath
from podling.api.kinds.core.secret import Secret
from podling.kubelet.environment import Sources
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.types import MountFailure

DEFAULT_MODE = 0o644
Kind = Literal["configmap", "secret"]
_NO_KEY: Mapping[Kind, str] = {
    "configmap": "configmap references non-existent config key",
    "secret": "references non-existent secret key",
}


def payload(
    kind: Kind,
    name: str,
    items: Sequence[KeyToPath],
    optional: bool,
    sources: Sources,
    mode: int | None = None,
    user: int | None = None,
) -> dict[str, File]:
    """The files of one object. Raises MountFailure if it or a key is missing and not optional."""
    found = sources.config_maps.get(name) if kind == "configmap" else sources.secrets.get(name)
    if found is None:
        if optional:
            return {}
        raise MountFailure(f'{kind} "{name}" not found')
    data = content(found)
    mode = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: File(value, mode, user) for key, value in data.items()}
    out: dict[str, File] = {}
    for item in items:
        if item.key in data:
            own = mode if item.mode is None else item.mode
            out[item.path] = File(data[item.key], own, user if item.user is None else item.user)
        elif not optional:
            raise MountFailure(f"{_NO_KEY[kind]}: {item.key}")
    return out


def content(found: ConfigMap | Secret) -> dict[str, bytes]:
    """All keys with their bytes."""
    if isinstance(found, Secret):
        return _decoded(found.data)
    return {key: value.encode() for key, value in found.data.items()} | _decoded(found.binary_data)


def _decoded(values: Mapping[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in values.items()}
