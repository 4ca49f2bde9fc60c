"""ResourceClaimTemplate: the ResourceClaim each Pod gets."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, at
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.resource import claimrules


def defaults(obj: Json) -> None:
    claimrules.defaults(obj.setdefault("spec", {}).setdefault("spec", {}))


def validate(obj: Json) -> list[Cause]:
    return claimrules.spec("spec.spec", at(obj, "spec.spec") or {})


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "resource.k8s.io",
    "v1",
    "ResourceClaimTemplate",
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, AGE),
)
