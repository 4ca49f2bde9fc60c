"""PodDisruptionBudget.

How many Pods of a set may be taken away at once by those who ask (Eviction).
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps import workloadrules
from podling.api.kinds.cells import AGE, NAME, column, number, text
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import Condition, LabelSelector, ObjectMeta
from podling.api.kinds.policy import oldversions
from podling.api.kinds.view import View, field

POLICIES = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgetSpec(View, frozen=True):
    min_available: int | str | None = None
    selector: LabelSelector | None = None
    max_unavailable: int | str | None = None
    unhealthy_pod_eviction_policy: str | None = None


class PodDisruptionBudgetStatus(View, frozen=True):
    """`disrupted_pods`: names of Pods whose eviction was granted and not seen yet, with the time."""

    observed_generation: int = 0
    disrupted_pods: dict[str, str] = field(default_factory=dict)
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    conditions: tuple[Condition, ...] = ()


class PodDisruptionBudget(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()


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
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in POLICIES:
        found.append(causes.unsupported("spec.unhealthyPodEvictionPolicy", policy, POLICIES))
    return found + rules.label_selector("spec.selector", spec.get("selector"))


KIND = Kind(
    "policy",
    "v1",
    "PodDisruptionBudget",
    PodDisruptionBudget,
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
    conversions=(oldversions.budgets(),),
    needs_controller=True,
)
