"""CSINode: the storage drivers of a node."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, at, column, count
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.storage import storagerules
from podling.api.kinds.versions import same_shape, without_defaults


def validate(obj: Json) -> list[Cause]:
    return storagerules.csi_drivers("spec.drivers", at(obj, "spec.drivers") or [])


def validate_update(new: Json, old: Json) -> list[Cause]:
    """A driver that is listed stays as it is, or goes; only how much it can hold may change."""
    before = {driver.get("name"): _identity(driver) for driver in at(old, "spec.drivers") or ()}
    drivers = at(new, "spec.drivers") or []
    changed = [each for each in drivers if each.get("name") in before and _identity(each) != before[each["name"]]]
    return [causes.invalid("CSINodeDriver", each, "field is immutable") for each in changed]


def _identity(driver: Json) -> Json:
    return {key: value for key, value in driver.items() if key != "allocatable"}


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSINode",
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(unconditional_update=False),
    columns=(NAME, column("Drivers", count("spec.drivers"), "integer", description="How many drivers it has."), AGE),
    conversions=(same_shape("storage.k8s.io", "v1beta1", without_defaults, "storage.k8s.io/v1"),),
)
