"""CSIStorageCapacity: how much a class can still give in a topology segment."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import NAME, column, value
from podling.api.kinds.core import resourcerules
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape, without_defaults


def validate(obj: Json) -> list[Cause]:
    found = rules.named("storageClassName", obj.get("storageClassName", ""), names.dns_subdomain)
    found += rules.label_selector("nodeTopology", obj.get("nodeTopology"))
    for field in ("capacity", "maximumVolumeSize"):
        if obj.get(field) is not None:
            found += resourcerules.amount(field, obj[field])
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    found = causes.immutable("nodeTopology", new.get("nodeTopology"), old.get("nodeTopology"))
    return found + causes.immutable("storageClassName", new.get("storageClassName"), old.get("storageClassName"))


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSIStorageCapacity",
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(unconditional_update=False),
    columns=(
        NAME,
        column("StorageClassName", value("storageClassName"), description="The class."),
        column("Capacity", value("capacity"), description="What it can still give."),
    ),
    conversions=(same_shape("storage.k8s.io", "v1beta1", without_defaults, "storage.k8s.io/v1"),),
)
