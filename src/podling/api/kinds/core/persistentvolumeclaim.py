"""PersistentVolumeClaim.

A wish for storage, bound to a volume that fulfils it.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, access_modes, at, column, value
from podling.api.kinds.core.volume import PersistentVolumeClaimSpec
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class PersistentVolumeClaimCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_probe_time: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class PersistentVolumeClaimStatus(View, frozen=True):
    phase: str = ""
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = field(default_factory=dict)
    conditions: tuple[PersistentVolumeClaimCondition, ...] = ()
    allocated_resources: dict[str, str] = field(default_factory=dict)
    allocated_resource_statuses: dict[str, str] = field(default_factory=dict)
    current_volume_attributes_class_name: str | None = None


class PersistentVolumeClaim(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = PersistentVolumeClaimStatus()


UNSET = "<unset>"


def defaults(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def on_create(obj: Json) -> None:
    obj["status"] = {"phase": "Pending"}


def status(obj: Json, now: float) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else str(at(obj, "status.phase") or "")


def capacity(obj: Json, now: float) -> str:
    return str(at(obj, "status.capacity.storage") or "0") if at(obj, "spec.volumeName") else ""


def modes(obj: Json, now: float) -> str:
    return access_modes(at(obj, "status.accessModes")) if at(obj, "spec.volumeName") else ""


def storage_class(obj: Json, now: float) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get("volume.beta.kubernetes.io/storage-class") or at(obj, "spec.storageClassName") or "")


KIND = Kind(
    "",
    "v1",
    "PersistentVolumeClaim",
    PersistentVolumeClaim,
    defaults=defaults,
    strategy=Strategy(status=True, returns_deleted=True, on_create=on_create),
    columns=(
        NAME,
        column("Status", status, description="Pending, Bound, Lost or Terminating."),
        column("Volume", value("spec.volumeName"), description="The volume it is bound to."),
        column("Capacity", capacity, description="What the volume holds."),
        column("Access Modes", modes, description="How it may be mounted."),
        column("StorageClass", storage_class, description="Class of storage it asks for."),
        column(
            "VolumeAttributesClass", value("spec.volumeAttributesClassName", UNSET), description="Class of attributes."
        ),
        AGE,
        column("VolumeMode", value("spec.volumeMode", UNSET), wide=True, description="Filesystem or Block."),
    ),
    needs_controller=True,
)
