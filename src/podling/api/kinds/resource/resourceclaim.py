"""ResourceClaim: a wish for devices."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.resource import claimrules


def state(obj: Json, now: float) -> str:
    """`pending`, or `deleted,allocated,reserved`."""
    found = ["deleted"] if obj["metadata"].get("deletionTimestamp") else []
    if at(obj, "status.allocation") is None:
        return ",".join([*found, "pending"])
    return ",".join([*found, "allocated", *(["reserved"] if at(obj, "status.reservedFor") else [])])


def defaults(obj: Json) -> None:
    claimrules.defaults(obj.setdefault("spec", {}))


def validate(obj: Json) -> list[Cause]:
    return claimrules.spec("spec", obj.get("spec") or {})


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "resource.k8s.io",
    "v1",
    "ResourceClaim",
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(status=True),
    columns=(NAME, column("State", state, description="How far it is."), AGE),
    needs_controller=True,
)
