"""IngressClass.

Names who carries out Ingresses.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, NONE, at, column, value
from podling.api.kinds.kind import Json, Kind, Strategy


def parameters(obj: Json, now: float) -> str:
    found = at(obj, "spec.parameters")
    if not found:
        return NONE
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind', '')}{group}/{found.get('name', '')}"


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "IngressClass",
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Controller", value("spec.controller"), description="Who carries out its Ingresses."),
        column("Parameters", parameters, description="An object with more about it."),
        AGE,
    ),
)
