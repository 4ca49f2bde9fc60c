"""PersistentVolume.

A piece of storage, bound to one claim at a time.
"""

from __future__ import annotations

from podling.api import names, quantity
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, access_modes, at, column, value
from podling.api.kinds.core import resourcerules, schedulingrules, volumesources, warnings
from podling.api.kinds.core.persistentvolumeclaim import ACCESS_MODES
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.core.volume import HostPathVolumeSource
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class LocalVolumeSource(View, frozen=True):
    path: str = ""


class CSIPersistentVolumeSource(View, frozen=True):
    driver: str = ""
    volume_handle: str = ""


class PersistentVolumeSpec(View, frozen=True):
    """What binding looks at; of the places where data can lie, only those that a controller has to know."""

    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = field(default_factory=dict)
    claim_ref: ObjectReference | None = None
    storage_class_name: str = ""
    volume_mode: str | None = None
    volume_attributes_class_name: str | None = None
    persistent_volume_reclaim_policy: str = ""
    host_path: HostPathVolumeSource | None = None
    local: LocalVolumeSource | None = None
    csi: CSIPersistentVolumeSource | None = None


class PersistentVolumeStatus(View, frozen=True):
    phase: str = ""
    message: str = ""
    reason: str = ""


class PersistentVolume(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: PersistentVolumeStatus = PersistentVolumeStatus()


UNSET = "<unset>"


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    fill(obj.setdefault("status", {}), "phase", "Pending")


def on_create(obj: Json) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": obj["metadata"].get("creationTimestamp")}


def status(obj: Json, now: float) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else str(at(obj, "status.phase") or "")


def claim(obj: Json, now: float) -> str:
    found = at(obj, "spec.claimRef")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if found else ""


# Fields of a volume's spec that are not the place where its data is.
_NOT_SOURCES = {
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
}


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = [] if spec.get("accessModes") else [causes.required("spec.accessModes")]
    modes = spec.get("accessModes") or []
    for mode in modes:
        found += rules.one_of("spec.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        text = "may not use ReadWriteOncePod with other access modes"
        found.append(causes.forbidden("spec.accessModes", text))
    capacity = spec.get("capacity") or {}
    if not capacity:
        found.append(causes.required("spec.capacity"))
    elif set(capacity) != {"storage"}:
        found.append(causes.unsupported("spec.capacity", capacity, ("storage",)))
    for name, amount in capacity.items():
        wrong = resourcerules.amount(f"spec.capacity[{name}]", amount)
        if not wrong and not quantity.of(amount):
            wrong = [causes.invalid(f"spec.capacity[{name}]", str(amount), "must be greater than zero")]
        found += wrong
    policy = spec.get("persistentVolumeReclaimPolicy")
    found += rules.one_of("spec.persistentVolumeReclaimPolicy", policy, ("Delete", "Recycle", "Retain"))
    sources = _sources(spec)
    if not sources:
        found.append(causes.required("spec", "must specify a volume type"))
    else:
        found += volumesources.volume(f"spec.{sources[0]}", sources[0], spec[sources[0]])
    found += [causes.forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in sources[1:]]
    return found + _placed(spec)


def _placed(spec: Json) -> list[Cause]:
    """Where it lies, what it is called, and how it may be used."""
    found: list[Cause] = []
    if at(spec, "hostPath.path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(causes.forbidden("spec.persistentVolumeReclaimPolicy", text))
    affinity = spec.get("nodeAffinity")
    if affinity is None:
        if spec.get("local") is not None:
            found.append(causes.required("metadata.annotations", "Local volume requires node affinity"))
    elif affinity.get("required") is None:
        found.append(causes.required("spec.nodeAffinity.required", "must specify required node constraints"))
    else:
        found += schedulingrules.node_selector("spec.nodeAffinity.required", affinity["required"])
    if name := spec.get("storageClassName"):
        found += rules.all_invalid("spec.storageClassName", name, names.dns_subdomain(name))
    mode = spec.get("volumeMode")
    return found + (rules.one_of("spec.volumeMode", mode, ("Block", "Filesystem")) if mode else [])


def _sources(spec: Json) -> list[str]:
    return [name for name, value in spec.items() if name not in _NOT_SOURCES and value is not None]


def validate_update(new: Json, old: Json) -> list[Cause]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    found: list[Cause] = []
    if {name: now[name] for name in _sources(now)} != {name: before[name] for name in _sources(before)}:
        text = "spec.persistentvolumesource is immutable after creation"
        found.append(causes.forbidden("spec.persistentvolumesource", text))
    found += causes.immutable("spec.volumeMode", now.get("volumeMode"), before.get("volumeMode"))
    if before.get("nodeAffinity") is not None and now.get("nodeAffinity") != before["nodeAffinity"]:
        text = "field is immutable, except for updating from beta label to GA"
        found.append(causes.invalid("spec.nodeAffinity", now.get("nodeAffinity"), text))
    return found


KIND = Kind(
    "",
    "v1",
    "PersistentVolume",
    PersistentVolume,
    defaults=defaults,
    warnings=warnings.persistent_volume,
    validate=validate,
    validate_update=validate_update,
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
