"""Pod templates: whether two are the same, a short hash to name what is made of them, and the Pods themselves.

The hash is our own (upstream's depends on the memory layout of Go's structs) and stable: equal templates give equal
hashes in every release, for names of ReplicaSets and revisions are made of it. Its letters are upstream's, which spell
no words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api.objects import Object
from podling.reconcile.claiming import owner_reference

Json = dict[str, Any]
HASH_LABEL = "pod-template-hash"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_encode = msgspec.json.Encoder(order="sorted").encode


def without_nulls(value: Any) -> Any:
    """JSON in which a member that is null and one that is absent are the same."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def plain(template: Mapping[str, Any]) -> Json:
    """The template as its author wrote it: without the hash label, without what says nothing."""
    out: Json = without_nulls(dict(template))
    metadata = {key: each for key, each in (out.pop("metadata", None) or {}).items() if each}
    labels = {key: each for key, each in metadata.pop("labels", {}).items() if key != HASH_LABEL}
    return {"metadata": {**metadata, "labels": labels}, "spec": out.get("spec") or {}}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return plain(one) == plain(other)


def hash_of(value: Any, collisions: int = 0) -> str:
    """Ten letters at most for any JSON value; `collisions` gives another hash for the same value."""
    digest = hashlib.sha256(_encode(value) + (b"/%d" % collisions if collisions else b"")).digest()
    number = int.from_bytes(digest[:4], "big")
    return "".join(_LETTERS[(ord(digit)) % len(_LETTERS)] for digit in str(number))


def pod(owner: Object, template: Mapping[str, Any], **metadata: Any) -> Json:
    """The Pod that a template asks for, controlled by `owner`; `metadata` names it."""
    given = template.get("metadata") or {}
    kept = {name: given[name] for name in ("labels", "annotations", "finalizers") if given.get(name)}
    about = {"namespace": owner.head.namespace, **kept, "ownerReferences": [owner_reference(owner)], **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": dict(template.get("spec") or {})}
