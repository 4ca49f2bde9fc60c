"""The kubeconfig of a cluster: pure functions from one file's content to its next.

Other clusters, users and contexts of the file are kept as they are ("Organizing Cluster Access Using kubeconfig
Files" in the Kubernetes documentation).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .ca import KeyPair

Config = dict[str, Any]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def empty() -> Config:
    return {"apiVersion": "v1", "kind": "Config", "preferences": {}, "clusters": [], "users": [], "contexts": []}


def cluster_config(name: str, server: str, ca: bytes, user: KeyPair) -> Config:
    """A whole config whose cluster, user and context are all called `name`; certificates are embedded."""
    credentials = {"client-certificate-data": _b64(user.certificate), "client-key-data": _b64(user.key)}
    return empty() | {
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _b64(ca)}}],
        "users": [{"name": name, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def merged(existing: Mapping[str, Any], new: Mapping[str, Any]) -> Config:
    """`existing` with the entries of `new` in place of those of the same name; `new` becomes the current context."""
    out: Config = empty() | dict(existing)
    for section in ("clusters", "users", "contexts"):
        names = {entry["name"] for entry in new[section]}
        kept = [entry for entry in out.get(section) or [] if entry.get("name") not in names]
        out[section] = [*kept, *new[section]]
    out["current-context"] = new["current-context"]
    return out


def without(existing: Mapping[str, Any], name: str) -> Config:
    """`existing` without the cluster, user and context called `name`."""
    out: Config = empty() | dict(existing)
    for section in ("clusters", "users", "contexts"):
        out[section] = [entry for entry in out.get(section) or [] if entry.get("name") != name]
    if out.get("current-context") == name:
        out["current-context"] = out["contexts"][0]["name"] if out["contexts"] else ""
    return out


def is_empty(config: Mapping[str, Any]) -> bool:
    """Nothing in it is worth keeping a file for."""
    return not any(config.get(section) for section in ("clusters", "users", "contexts"))
