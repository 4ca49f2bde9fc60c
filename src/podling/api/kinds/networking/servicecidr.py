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
    found = [c for i, text in enumerate(ranges) for c in rules.all_invalid(f"spec.cidrs[{i}]", text, names.cidr(text))]
    if len(ranges) == 2 and (":" in ranges[0]) == (":" in ranges[1]):
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96"
        found.append(causes.invalid("spec.cidrs", ranges, text))
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    """A range of the other family may join the first; nothing else changes."""
    now, before = at(new, "spec.cidrs") or [], at(old, "spec.cidrs") or []
    if len(now) != len(before) and (len(before), len(now)) != (1, 2):
        return causes.immutable("spec.cidrs", now, before)
    both = enumerate(zip(now, before, strict=False))
    return [c for index, (one, was) in both for c in causes.immutable(f"spec.cidrs[{index}]", one, was)]


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "ServiceCIDR",
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(status=True),
    columns=(NAME, column("CIDRs", lambda obj, _: joined(at(obj, "spec.cidrs") or ()), description="The range."), AGE),
    needs_controller=True,
)
