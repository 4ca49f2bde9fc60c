"""What volumes show: ConfigMaps and Secrets, alone or projected, in the few words a test needs."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from tests.conformance.kube import Json

RESOURCES = {"configMap": "v1/configmaps", "secret": "v1/secrets"}
GROUPS = {
    "ConfigMap": ("configMap", False),
    "Projected configMap": ("configMap", True),
    "Secrets": ("secret", False),
    "Projected secret": ("secret", True),
}
"""Upstream's name of a group of behaviours → what lies in the volume, and whether it is projected."""


def data(kind: str, name: str, values: Mapping[str, str]) -> Json:
    """The body of a ConfigMap or Secret."""
    return {"metadata": {"name": name}, "data": {key: encoded(kind, value) for key, value in values.items()}}


def encoded(kind: str, value: str) -> str:
    return value if kind == "configMap" else base64.b64encode(value.encode()).decode()


def source(group: str, name: str, mode: int | None = None, **more: object) -> Json:
    """A volume's source; `more` are fields such as `items` and `optional`."""
    kind, projected = GROUPS[group]
    modes = {} if mode is None else {"defaultMode": mode}
    if projected:
        return {"projected": {"sources": [{kind: {"name": name, **more}}], **modes}}
    called = {"name": name} if kind == "configMap" else {"secretName": name}
    return {kind: {**called, **modes, **more}}


def slug(text: str) -> str:
    """Words as a name of an object."""
    return "-".join(text.lower().split())


def mounting(**sources: Json) -> Json:
    """The fields `volumes` of a Pod and `container` for its container: each source at /<its name>."""
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in sources]
    volumes = [{"name": name, **each} for name, each in sources.items()]
    return {"volumes": volumes, "container": {"volumeMounts": mounts}}
