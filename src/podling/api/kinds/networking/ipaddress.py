"""IPAddress.

An address that is taken, named by itself: the claim by which addresses of Services are given out once only.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind


def parent(obj: Json, now: float) -> str:
    """`services/default/kubernetes`."""
    found = at(obj, "spec.parentRef") or {}
    words = (found.get("resource", ""), found.get("group", ""))
    place = (found.get("namespace", ""), found.get("name", ""))
    return "/".join(filter(None, (".".join(filter(None, words)), *place)))


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "IPAddress",
    columns=(NAME, column("ParentRef", parent, description="Who has it."), AGE),
)
