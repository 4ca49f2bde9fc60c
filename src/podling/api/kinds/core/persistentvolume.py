"""PersistentVolume.

A piece of storage, bound to one claim at a time.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, access_modes, at, column, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind, Strategy

UNSET = "<unset>"


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    fill(obj.setdefault("status", {}), "phase", "Pending")


def on_create(obj: Json) -> None:
    obj["status"] = {"phase": "Pending"}


def status(obj: Json, now: float) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else str(at(obj, "status.phase") or "")


def claim(obj: Json, now: float) -> str:
    found = at(obj, "spec.claimRef")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if found else ""


KIND = Kind(
    "",
    "v1",
    "PersistentVolume",
    defaults=defaults,
    strategy=Strategy(status=True, returns_deleted=True, on_create=on_create),
    columns=(
        NAME,
        column("Capacity", value("spec.capacity.storage", "0"), description="What it holds."),
        column(
            "Access Modes", lambda obj, _: access_modes(at(obj, "spec.accessModes")), description="How to mount it."
        ),
        column("Reclaim Policy", value("spec.persistentVolumeReclaimPolicy"), description="What follows its claim."),
        column("Status", status, description="Available, Bound, Released, Failed or Terminating."),
        column("Claim", claim, description="The claim it is bound to."),
        column("StorageClass", value("spec.storageClassName"), description="Its class."),
        column(
            "VolumeAttributesClass", value("spec.volumeAttributesClassName", UNSET), description="Class of attributes."
        ),
        column("Reason", value("status.reason"), description="Why it failed."),
        AGE,
        column("VolumeMode", value("spec.volumeMode", UNSET), wide=True, description="Filesystem or Block."),
    ),
    needs_controller=True,
)
