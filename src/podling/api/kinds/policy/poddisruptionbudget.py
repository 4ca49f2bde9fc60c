"""PodDisruptionBudget.

How many Pods of a set may be taken away at once by those who ask (Eviction).
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps import workloadrules
from podling.api.kinds.cells import AGE, NAME, column, number, text
from podling.api.kinds.kind import Json, Kind, Strategy


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        found.append(causes.invalid("spec", spec, text))
    for name in ("minAvailable", "maxUnavailable"):
        if spec.get(name) is not None:
            found += workloadrules.int_or_percent(f"spec.{name}", spec[name])
            found += workloadrules.at_most_whole(f"spec.{name}", spec[name])
    return found + rules.label_selector("spec.selector", spec.get("selector"))


KIND = Kind(
    "policy",
    "v1",
    "PodDisruptionBudget",
    validate=validate,
    strategy=Strategy(
        status=True,
        generation=True,
        status_keeps_metadata=True,
        unconditional_update=False,
        empty_status={"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    ),
    columns=(
        NAME,
        column("Min Available", text("spec.minAvailable", "N/A"), description="Pods that must stay."),
        column("Max Unavailable", text("spec.maxUnavailable", "N/A"), description="Pods that may be missing."),
        column("Allowed Disruptions", number("status.disruptionsAllowed"), "integer", description="May go now."),
        AGE,
    ),
    needs_controller=True,
)
