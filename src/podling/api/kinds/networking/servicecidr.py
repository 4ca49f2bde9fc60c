"""ServiceCIDR.

A range that addresses of Services come from.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column, joined
from podling.api.kinds.kind import Kind, Strategy

KIND = Kind(
    "networking.k8s.io",
    "v1",
    "ServiceCIDR",
    strategy=Strategy(status=True),
    columns=(NAME, column("CIDRs", lambda obj, _: joined(at(obj, "spec.cidrs") or ()), description="The range."), AGE),
)
