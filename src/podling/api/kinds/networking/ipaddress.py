"""IPAddress.

An address that is taken, named by itself: the claim by which addresses of Services are given out once only.
"""

from __future__ import annotations

from ipaddress import ip_address

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
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
    out: list[Cause] = []
    if group := found.get("group"):
        out += rules.all_invalid("spec.parentRef.group", group, names.dns_subdomain(group))
    for name in ("resource", "name"):
        out += rules.named(f"spec.parentRef.{name}", found.get(name, ""), names.path_segment)
    if namespace := found.get("namespace"):
        out += rules.all_invalid("spec.parentRef.namespace", namespace, names.path_segment(namespace))
    return out


def name_rule(name: str) -> list[str]:
    """An address in the one way that it is written: otherwise it could be taken twice."""
    wrong = names.ip_address(name)
    if not wrong and str(ip_address(name)) != name:
        wrong = [f'must be in canonical form ("{ip_address(name)}")']
    return wrong


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "IPAddress",
    validate=validate,
    validate_update=validate_update,
    name_rule=name_rule,
    columns=(NAME, column("ParentRef", parent, description="Who has it."), AGE),
)
