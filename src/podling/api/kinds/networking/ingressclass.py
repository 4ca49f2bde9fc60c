"""IngressClass.

Names who carries out Ingresses.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape

LONGEST = 250


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
    found: list[Cause] = []
    if len(controller) > LONGEST:
        found.append(causes.too_long("spec.controller", LONGEST))
    if "/" not in controller:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        found.append(causes.invalid("spec.controller", controller, text))
    return found + _reference("spec.parameters", at(obj, "spec.parameters"))


def _reference(path: str, reference: Json | None) -> list[Cause]:
    if reference is None:
        return []
    found: list[Cause] = []
    if group := reference.get("apiGroup"):
        found += rules.all_invalid(f"{path}.apiGroup", group, names.dns_subdomain(group))
    for name in ("kind", "name"):
        found += rules.named(f"{path}.{name}", reference.get(name, ""), names.path_segment)
    scope, namespace = reference.get("scope"), reference.get("namespace")
    if not scope:
        return [*found, causes.required(f"{path}.scope")]
    found += rules.one_of(f"{path}.scope", scope, ("Cluster", "Namespace"))
    if scope == "Namespace" and not namespace:
        found.append(causes.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    if scope == "Cluster" and namespace is not None:
        found.append(causes.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return found


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
