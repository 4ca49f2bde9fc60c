"""What the scheduler knows of claims, volumes, storage classes and the limits of nodes. Pure.

Read from the API's JSON once per revision. A volume that was chosen for a claim is *assumed* to be its until the API
says so, so that the next decision does not choose it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api import quantity
from podling.api.kinds.core.scheduling import NodeSelector
from podling.api.kinds.meta import LabelSelector

SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Annotation of a claim: provision its volume for this node."""
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"

Json = Mapping[str, Any]


class Claim(msgspec.Struct, frozen=True):
    """A PersistentVolumeClaim; `key` is namespace/name."""

    key: str
    uid: str
    volume: str
    storage_class: str
    storage: int
    access_modes: frozenset[str]
    mode: str
    selector: LabelSelector | None
    deleting: bool
    bound: bool
    """The volume is its, and both sides say so."""
    selected_node: str
    owner: str
    """uid of the Pod whose ephemeral volume it is."""


class Volume(msgspec.Struct, frozen=True):
    """A PersistentVolume."""

    name: str
    claim: str
    """namespace/name of the claim it is reserved for."""
    claim_uid: str
    storage_class: str
    storage: int
    access_modes: frozenset[str]
    mode: str
    labels: Mapping[str, str]
    affinity: NodeSelector | None
    driver: str
    handle: str
    available: bool


class Class(msgspec.Struct, frozen=True):
    """A StorageClass; `topologies`: where volumes may be made, one mapping of label to values each (none: anywhere)."""

    provisioner: str
    waits: bool
    topologies: tuple[Mapping[str, tuple[str, ...]], ...] = ()


class Volumes:
    """All of them, by key or name; changed by the scheduler's shell only."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.volumes: dict[str, Volume] = {}
        self.classes: dict[str, Class] = {}
        self.limits: dict[str, Mapping[str, int]] = {}
        """By node: how many volumes of each CSI driver it can have."""
        self.assumed: dict[str, str] = {}
        """Volumes that were chosen for a claim a moment ago."""

    def choose(self, volume: str, claim: str) -> None:
        self.assumed[volume] = claim

    def release(self, claim: str) -> None:
        """It was not bound after all, or the API says it now."""
        for volume in [name for name, key in self.assumed.items() if key == claim]:
            del self.assumed[volume]


def claim_of(obj: Json) -> Claim:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    annotations = meta.get("annotations") or {}
    selector = spec.get("selector")
    owners = [each["uid"] for each in meta.get("ownerReferences") or () if each.get("kind") == "Pod"]
    return Claim(
        key=f"{meta['namespace']}/{meta['name']}",
        uid=meta.get("uid", ""),
        volume=spec.get("volumeName") or "",
        storage_class=spec.get("storageClassName") or "",
        storage=_storage((spec.get("resources") or {}).get("requests")),
        access_modes=frozenset(spec.get("accessModes") or ()),
        mode=spec.get("volumeMode") or "Filesystem",
        selector=msgspec.convert(selector, LabelSelector) if selector else None,
        deleting=bool(meta.get("deletionTimestamp")),
        bound=bool(spec.get("volumeName")) and BIND_COMPLETED in annotations,
        selected_node=annotations.get(SELECTED_NODE, ""),
        owner=next(iter(owners), ""),
    )


def volume_of(obj: Json) -> Volume:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    reserved = spec.get("claimRef") or {}
    required = (spec.get("nodeAffinity") or {}).get("required")
    csi = spec.get("csi") or {}
    phase = (obj.get("status") or {}).get("phase", "")
    return Volume(
        name=meta["name"],
        claim=f"{reserved['namespace']}/{reserved['name']}" if reserved else "",
        claim_uid=reserved.get("uid", ""),
        storage_class=spec.get("storageClassName") or "",
        storage=_storage(spec.get("capacity")),
        access_modes=frozenset(spec.get("accessModes") or ()),
        mode=spec.get("volumeMode") or "Filesystem",
        labels=meta.get("labels") or {},
        affinity=msgspec.convert(required, NodeSelector) if required else None,
        driver=csi.get("driver", ""),
        handle=csi.get("volumeHandle", ""),
        available=phase in ("", "Pending", "Available", "Bound") and not meta.get("deletionTimestamp"),
    )


def class_of(obj: Json) -> Class:
    topologies = tuple(
        {each["key"]: tuple(each.get("values") or ()) for each in term.get("matchLabelExpressions") or ()}
        for term in obj.get("allowedTopologies") or ()
    )
    return Class(obj.get("provisioner", ""), obj.get("volumeBindingMode") == "WaitForFirstConsumer", topologies)


def limits_of(obj: Json) -> Mapping[str, int]:
    """Of a CSINode."""
    drivers = (obj.get("spec") or {}).get("drivers") or ()
    return {
        each["name"]: int(each["allocatable"]["count"])
        for each in drivers
        if (each.get("allocatable") or {}).get("count") is not None
    }


def _storage(amounts: Json | None) -> int:
    text = (amounts or {}).get("storage")
    return quantity.parse(str(text)).value if text else 0
