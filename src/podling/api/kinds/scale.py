"""The Scale subresource: how many replicas an object shall have and has, and which Pods are meant.

One view on many kinds, so that autoscalers and `kubectl scale` need to know none of them (API reference,
autoscaling/v1 Scale). apps/v1beta2 had a kind of its own, which gives the selector as a map too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api import labels
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.kind import Json, Scale

# What a Scale shows of its object's metadata.
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Json, paths: Scale, api_version: str = "autoscaling/v1") -> Json:
    """The Scale of an object in its hub version."""
    selector = _at(obj, paths.selector)
    text = _selector_text(selector)
    status: Json = {"replicas": _at(obj, paths.status_replicas) or 0}
    if api_version == "autoscaling/v1":
        status |= {"selector": text} if text else {}
    else:
        matched = (selector or {}).get("matchLabels") or {}
        status |= {"selector": matched} if matched else {}
        status |= {"targetSelector": text} if text else {}
    metadata = {key: obj["metadata"][key] for key in _METADATA if key in obj["metadata"]}
    spec: Json = {"replicas": replicas} if (replicas := _at(obj, paths.spec_replicas) or 0) else {}
    return {"kind": "Scale", "apiVersion": api_version, "metadata": metadata, "spec": spec, "status": status}


def scaled(obj: Json, paths: Scale, scale: Json) -> Json:
    """The object with the replicas a Scale asks for; a new dict, the old one stays as it was."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    return _replaced(obj, paths.spec_replicas.strip(".").split("."), replicas)


def validate(scale: Json) -> list[Cause]:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, int) and replicas >= 0:
        return []
    return [causes.invalid("spec.replicas", replicas, "must be greater than or equal to 0")]


def _replaced(obj: Json, path: list[str], value: Any) -> Json:
    first, *rest = path
    return {**obj, first: _replaced(obj.get(first) or {}, rest, value) if rest else value}


def _selector_text(selector: Any) -> str:
    """A LabelSelector, or the plain map of a ReplicationController, in the grammar of `-l`."""
    if not isinstance(selector, Mapping):
        return selector if isinstance(selector, str) else ""
    if selector and not {"matchLabels", "matchExpressions"} & set(selector):
        return str(labels.of_map(selector))
    return str(labels.of(selector))


def _at(obj: Any, path: str) -> Any:
    for key in path.strip(".").split("."):
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return obj
