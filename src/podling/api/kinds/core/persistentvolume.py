"""PersistentVolume.

A piece of storage, bound to one claim at a time.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, access_modes, at, column, value
from podling.api.kinds.core import resourcerules
from podling.api.kinds.core.persistentvolumeclaim import ACCESS_MODES
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
    for mode in spec.get("accessModes") or ():
        found += rules.one_of("spec.accessModes", mode, ACCESS_MODES)
    capacity = spec.get("capacity") or {}
    if not capacity:
        found.append(causes.required("spec.capacity"))
    elif set(capacity) != {"storage"}:
        found.append(causes.unsupported("spec.capacity", capacity, ("storage",)))
    for name, amount in capacity.items():
        found += resourcerules.amount(f"spec.capacity[{name}]", amount)
    policy = spec.get("persistentVolumeReclaimPolicy")
    found += rules.one_of("spec.persistentVolumeReclaimPolicy", policy, ("Delete", "Recycle", "Retain"))
    sources = _sources(spec)
    if not sources:
        found.append(causes.required("spec", "must specify a volume type"))
    found += [causes.forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in sources[1:]]
    return found


def _sources(spec: Json) -> list[str]:
    return [name for name, value in spec.items() if name not in _NOT_SOURCES and value is not None]


def validate_update(new: Json, old: Json) -> list[Cause]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    if {name: now[name] for name in _sources(now)} == {name: before[name] for name in _sources(before)}:
        return causes.immutable("spec.volumeMode", now.get("volumeMode"), before.get("volumeMode"))
    return [causes.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")]


KIND = Kind(
    "",
    "v1",
    "PersistentVolume",
    defaults=defaults,
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
