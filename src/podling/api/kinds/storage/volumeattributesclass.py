"""VolumeAttributesClass: attributes of a volume that may be changed while it lives."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.storage import storagerules


def validate(obj: Json) -> list[Cause]:
    found = storagerules.driver_name("driverName", obj.get("driverName", ""))
    return found + storagerules.parameters("parameters", obj.get("parameters") or {}, allow_empty=False)


def validate_update(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    for field in ("driverName", "parameters"):
        if (new.get(field) or None) != (old.get(field) or None):
            found.append(causes.forbidden(field, f"updates to {field} are forbidden."))
    return found


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "VolumeAttributesClass",
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, column("DriverName", value("driverName"), description="Driver that knows the attributes."), AGE),
)
