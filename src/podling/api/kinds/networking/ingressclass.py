"""IngressClass.

Names who carries out Ingresses.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape


def parameters(obj: Json, now: float) -> str:
    found = at(obj, "spec.parameters")
    if not found:
        return NONE
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind', '')}{group}/{found.get('name', '')}"


def defaults(obj: Json) -> None:
    reference = at(obj, "spec.parameters")
    if reference and not reference.get("scope"):
        reference["scope"] = "Cluster"


def validate(obj: Json) -> list[Cause]:
    controller = at(obj, "spec.controller") or ""
    if not controller:
        return [causes.required("spec.controller")]
    if "/" not in controller:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [causes.invalid("spec.controller", controller, text)]
    return []


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec.controller", at(new, "spec.controller"), at(old, "spec.controller"))


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "IngressClass",
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Controller", value("spec.controller"), description="Who carries out its Ingresses."),
        column("Parameters", parameters, description="An object with more about it."),
        AGE,
    ),
    conversions=(same_shape("networking.k8s.io", "v1beta1", defaults, "networking.k8s.io/v1"),),
)
