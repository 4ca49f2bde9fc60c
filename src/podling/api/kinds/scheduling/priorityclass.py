"""PriorityClass.

A name for a number: how important Pods are.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, column, flag, number, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape

HIGHEST = 1_000_000_000


def defaults(obj: Json) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def validate(obj: Json) -> list[Cause]:
    name, priority = obj["metadata"].get("name", ""), obj.get("value", 0)
    found: list[Cause] = []
    if name.startswith("system-"):
        if name not in ("system-node-critical", "system-cluster-critical"):
            text = "priority class names with 'system-' prefix are reserved for system use only"
            found.append(causes.forbidden("metadata.name", text))
    elif priority > HIGHEST:
        text = f"maximum allowed value of a user defined priority is {HIGHEST}"
        found.append(causes.forbidden("value", text))
    policy = obj.get("preemptionPolicy")
    return found + rules.required_one_of("preemptionPolicy", policy, ("Never", "PreemptLowerPriority"))


def validate_update(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    if new.get("value", 0) != old.get("value", 0):
        found.append(causes.forbidden("value", "may not be changed in an update."))
    return found + causes.immutable("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))


KIND = Kind(
    "scheduling.k8s.io",
    "v1",
    "PriorityClass",
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Value", number("value"), description="The number."),
        column("Global-Default", flag("globalDefault"), "boolean", description="Whether Pods without a class get it."),
        AGE,
        column("PreemptionPolicy", value("preemptionPolicy"), description="Whether it drives out others."),
    ),
    conversions=(same_shape("scheduling.k8s.io", "v1beta1", defaults, "scheduling.k8s.io/v1"),),
)
