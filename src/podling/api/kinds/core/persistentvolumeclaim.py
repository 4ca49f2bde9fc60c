"""PersistentVolumeClaim.

A wish for storage, bound to a volume that fulfils it.
"""

from __future__ import annotations

from podling.api import names, quantity
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, access_modes, at, column, value
from podling.api.kinds.core import resourcerules, warnings
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


ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def validate(obj: Json) -> list[Cause]:
    return validate_spec("spec", obj.get("spec") or {})


def validate_spec(path: str, spec: Json) -> list[Cause]:
    """The spec of a claim, or of a claim template; `path` is its own."""
    given = spec.get("accessModes") or []
    found = [] if given else [causes.required(f"{path}.accessModes", "at least 1 access mode is required")]
    for mode in given:
        found += rules.one_of(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in given and len(given) > 1:
        text = "may not use ReadWriteOncePod with other access modes"
        found.append(causes.forbidden(f"{path}.accessModes", text))
    found += rules.label_selector(f"{path}.selector", spec.get("selector"))
    asked = at(spec, "resources.requests.storage")
    if asked is None:
        found.append(causes.required(f"{path}.resources[storage]"))
    else:
        wrong = resourcerules.amount(f"{path}.resources[storage]", asked)
        if not wrong and not quantity.of(asked):
            wrong = [causes.invalid(f"{path}.resources[storage]", str(asked), "must be greater than zero")]
        found += wrong
    if name := spec.get("storageClassName"):
        found += rules.all_invalid(f"{path}.storageClassName", name, names.dns_subdomain(name))
    mode = spec.get("volumeMode")
    return found + (rules.one_of(f"{path}.volumeMode", mode, ("Block", "Filesystem")) if mode else [])


def validate_update(new: Json, old: Json) -> list[Cause]:
    """A claim may be bound once, and a bound one may ask for more."""
    now, before = dict(new.get("spec") or {}), dict(old.get("spec") or {})
    if not before.get("volumeName"):
        now.pop("volumeName", None)
        before.pop("volumeName", None)
    if before.get("storageClassName") is None and _may_be_classed(new, old):
        now.pop("storageClassName", None)
    if at(old, "status.phase") == "Bound":
        for spec in (now, before):
            spec["resources"] = {**(spec.get("resources") or {}), "requests": None}
            spec.pop("volumeAttributesClassName", None)
    if now != before:
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        return [causes.forbidden("spec", text)]
    asked, asked_before = (at(each, "spec.resources.requests.storage") for each in (new, old))
    held = at(old, "status.capacity.storage")
    if None in (asked, asked_before, held) or quantity.of(asked) >= quantity.of(asked_before):
        return []
    if quantity.of(asked) < quantity.of(held):
        text = "field can not be less than status.capacity"
        return [causes.forbidden("spec.resources.requests.storage", text)]
    return []


def _may_be_classed(new: Json, old: Json) -> bool:
    """A claim that never said a class may be given one (the default), unless its annotation says another."""
    said = (old["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    return at(old, "status.phase") != "Bound" and said in (None, at(new, "spec.storageClassName"))


KIND = Kind(
    "",
    "v1",
    "PersistentVolumeClaim",
    PersistentVolumeClaim,
    defaults=defaults,
    warnings=warnings.claim,
    validate=validate,
    validate_update=validate_update,
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
