"""Lease.

A lock that has to be renewed: leader election, and the heartbeat of a node.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.versions import same_shape, without_defaults
from podling.api.kinds.view import View


class LeaseSpec(View, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: LeaseSpec = LeaseSpec()


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        seconds = spec["leaseDurationSeconds"]
        found.append(causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    return found + rules.not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))


KIND = Kind(
    "coordination.k8s.io",
    "v1",
    "Lease",
    Lease,
    validate=validate,
    strategy=Strategy(create_on_update=True, unconditional_update=False),
    columns=(NAME, column("Holder", value("spec.holderIdentity"), description="Who holds it."), AGE),
    conversions=(same_shape("coordination.k8s.io", "v1beta1", without_defaults, "coordination.k8s.io/v1"),),
)
