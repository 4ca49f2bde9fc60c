"""RuntimeClass: a name for a way of running containers."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, value
from podling.api.kinds.core import resourcerules, schedulingrules, warnings
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape, without_defaults


def validate(obj: Json) -> list[Cause]:
    found = rules.named("handler", obj.get("handler", ""), names.dns_label)
    for name, amount in (at(obj, "overhead.podFixed") or {}).items():
        found += resourcerules.named_amount(f"overhead.podFixed[{name}]", name, amount)
    found += rules.labels("scheduling.nodeSelector", at(obj, "scheduling.nodeSelector"))
    return found + schedulingrules.tolerations("scheduling.tolerations", at(obj, "scheduling.tolerations") or [])


def told(obj: Json, old: Json | None) -> list[str]:
    """Old names of node labels."""
    return list(warnings.labels("scheduling.nodeSelector", at(obj, "scheduling.nodeSelector") or {}))


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("handler", new.get("handler"), old.get("handler"))


KIND = Kind(
    "node.k8s.io",
    "v1",
    "RuntimeClass",
    warnings=told,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(unconditional_update=False),
    columns=(NAME, column("Handler", value("handler"), description="The runtime's own name for it."), AGE),
    conversions=(same_shape("node.k8s.io", "v1beta1", without_defaults, "node.k8s.io/v1"),),
)
