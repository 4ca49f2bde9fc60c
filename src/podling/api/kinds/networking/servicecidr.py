"""ServiceCIDR.

A range that addresses of Services come from.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, joined
from podling.api.kinds.kind import Json, Kind, Strategy


def validate(obj: Json) -> list[Cause]:
    ranges = at(obj, "spec.cidrs") or []
    if not ranges:
        return [causes.required("spec.cidrs", "at least one CIDR required")]
    if len(ranges) > 2:
        return [causes.invalid("spec", ranges, "may only hold up to 2 values")]
    return [c for i, text in enumerate(ranges) for c in rules.all_invalid(f"spec.cidrs[{i}]", text, names.cidr(text))]


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec.cidrs", at(new, "spec.cidrs"), at(old, "spec.cidrs"))


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "ServiceCIDR",
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(status=True),
    columns=(NAME, column("CIDRs", lambda obj, _: joined(at(obj, "spec.cidrs") or ()), description="The range."), AGE),
)
