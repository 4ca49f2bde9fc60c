"""IPAddress.

An address that is taken, named by itself: the claim by which addresses of Services are given out once only.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Json, Kind


def parent(obj: Json, now: float) -> str:
    """`services/default/kubernetes`."""
    found = at(obj, "spec.parentRef") or {}
    words = (found.get("resource", ""), found.get("group", ""))
    place = (found.get("namespace", ""), found.get("name", ""))
    return "/".join(filter(None, (".".join(filter(None, words)), *place)))


def validate(obj: Json) -> list[Cause]:
    found = at(obj, "spec.parentRef")
    if found is None:
        return [causes.required("spec.parentRef")]
    return [causes.required(f"spec.parentRef.{name}") for name in ("resource", "name") if not found.get(name)]


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "IPAddress",
    validate=validate,
    validate_update=validate_update,
    name_rule=names.ip_address,
    columns=(NAME, column("ParentRef", parent, description="Who has it."), AGE),
)
