"""Deployment.

Rolls a ReplicaSet out in place of its predecessor.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.apps import oldversions, workloadrules
from podling.api.kinds.cells import AGE, NAME, column, number, ready_of_replicas, template_columns
from podling.api.kinds.core import poddefaults, warnings
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Scale, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.view import View


class RollingUpdateDeployment(View, frozen=True):
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class DeploymentStrategy(View, frozen=True):
    type: str = ""
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(View, frozen=True):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    paused: bool = False
    progress_deadline_seconds: int | None = None


class DeploymentCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_update_time: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class DeploymentStatus(View, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    terminating_replicas: int | None = None
    conditions: tuple[DeploymentCondition, ...] = ()
    collision_count: int | None = None


class Deployment(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    poddefaults.template(spec.setdefault("template", {}))


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = workloadrules.not_negative(spec, "spec", "replicas")
    found += workloadrules.selector_and_template(spec, "Deployment")
    found += _strategy(spec.get("strategy") or {})
    found += workloadrules.not_negative(
        spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
    )
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        found.append(causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return found


def _strategy(strategy: Json) -> list[Cause]:
    path, kind, rolling = "spec.strategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [] if rolling is None else [causes.forbidden(f"{path}.rollingUpdate", text)]
    if kind != "RollingUpdate":
        return [causes.unsupported(f"{path}.type", kind, ("Recreate", "RollingUpdate"))]
    unavailable, surge = (rolling or {}).get("maxUnavailable", 0), (rolling or {}).get("maxSurge", 0)
    here = f"{path}.rollingUpdate"
    found = workloadrules.int_or_percent(f"{here}.maxUnavailable", unavailable)
    found += workloadrules.int_or_percent(f"{here}.maxSurge", surge)
    if not workloadrules.percent_or_zero(unavailable) and not workloadrules.percent_or_zero(surge):
        text = "may not be 0 when `maxSurge` is 0"
        found.append(causes.invalid(f"{here}.maxUnavailable", unavailable, text))
    return found + workloadrules.at_most_whole(f"{here}.maxUnavailable", unavailable)


def validate_status(new: Json, old: Json) -> list[Cause]:
    return workloadrules.counts(new, "updatedReplicas", "readyReplicas", "availableReplicas")


KIND = Kind(
    "apps",
    "v1",
    "Deployment",
    Deployment,
    defaults=defaults,
    warnings=warnings.workload,
    validate=validate,
    validate_update=workloadrules.immutable_selector,
    validate_status=validate_status,
    strategy=Strategy(status=True, generation=True, orphans_in=oldversions.ALL),
    columns=(
        NAME,
        column("Ready", ready_of_replicas, description="Ready Pods of the Pods it shall have."),
        column("Up-to-date", number("status.updatedReplicas"), "integer", description="Pods of the newest template."),
        column(
            "Available", number("status.availableReplicas"), "integer", description="Pods that have been ready long."
        ),
        AGE,
        *template_columns(),
    ),
    conversions=(
        oldversions.same_shape("v1beta2", defaults),
        oldversions.deployment(*oldversions.BETA_1, oldversions.deployment_defaults_of_apps),
        oldversions.deployment(*oldversions.EXTENSIONS, oldversions.deployment_defaults),
    ),
    scale=Scale(),
    needs_controller=True,
)
