"""ResourceClaim: a wish for devices."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind, Strategy


def state(obj: Json, now: float) -> str:
    """`pending`, or `deleted,allocated,reserved`."""
    found = ["deleted"] if obj["metadata"].get("deletionTimestamp") else []
    if at(obj, "status.allocation") is None:
        return ",".join([*found, "pending"])
    return ",".join([*found, "allocated", *(["reserved"] if at(obj, "status.reservedFor") else [])])


KIND = Kind(
    "resource.k8s.io",
    "v1",
    "ResourceClaim",
    strategy=Strategy(status=True),
    columns=(NAME, column("State", state, description="How far it is."), AGE),
    needs_controller=True,
)
