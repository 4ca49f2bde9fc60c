"""DaemonSet.

One Pod on every node that takes it.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.apps import oldversions, workloadrules
from podling.api.kinds.cells import AGE, NAME, at, column, labels_text, number, template_columns
from podling.api.kinds.core import poddefaults, warnings
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.versions import annotated, annotation
from podling.api.kinds.view import View


class RollingUpdateDaemonSet(View, frozen=True):
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class DaemonSetUpdateStrategy(View, frozen=True):
    type: str = ""
    rolling_update: RollingUpdateDaemonSet | None = None


class DaemonSetSpec(View, frozen=True):
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    update_strategy: DaemonSetUpdateStrategy = DaemonSetUpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None


class DaemonSetCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class DaemonSetStatus(View, frozen=True):
    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int | None = None
    conditions: tuple[DaemonSetCondition, ...] = ()


class DaemonSet(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    poddefaults.template(spec.setdefault("template", {}))


def on_create(obj: Json) -> None:
    """Counts the changes of the template, where upstream keeps a number that extensions/v1beta1 had in the spec."""
    _count(obj, max(_counted(obj), 1))


def on_update(new: Json, old: Json) -> None:
    changed = at(new, "spec.template") != at(old, "spec.template")
    _count(new, _counted(old) + changed)


def _counted(obj: Json) -> int:
    kept = annotation(obj, oldversions.TEMPLATE_GENERATION)
    return int(kept) if kept.isdecimal() else 0


def _count(obj: Json, number: int) -> None:
    obj["metadata"] = annotated(obj, oldversions.TEMPLATE_GENERATION, str(number))["metadata"]


def node_selector(obj: Json, now: float) -> str:
    return labels_text(at(obj, "spec.template.spec.nodeSelector"))


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = workloadrules.selector_and_template(spec, "DaemonSet", "daemonset")
    found += workloadrules.not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    return found + _update_strategy(spec.get("updateStrategy") or {})


def _update_strategy(strategy: Json) -> list[Cause]:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [causes.unsupported(path, strategy, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [causes.required(f"{path}.rollingUpdate")]
    here = f"{path}.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    found = workloadrules.int_or_percent(f"{here}.maxUnavailable", unavailable)
    found += workloadrules.int_or_percent(f"{here}.maxSurge", surge)
    some = workloadrules.percent_or_zero(unavailable), workloadrules.percent_or_zero(surge)
    if all(some):
        found.append(causes.invalid(f"{here}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not any(some):
        text = "cannot be 0 when maxSurge is 0"
        found.append(causes.invalid(f"{here}.maxUnavailable", unavailable, text))
    return found + workloadrules.at_most_whole(f"{here}.maxUnavailable", unavailable)


_COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def validate_status(new: Json, old: Json) -> list[Cause]:
    return workloadrules.not_negative(new.get("status") or {}, "status", *_COUNTS)


KIND = Kind(
    "apps",
    "v1",
    "DaemonSet",
    DaemonSet,
    defaults=defaults,
    warnings=warnings.template,
    validate=validate,
    validate_update=workloadrules.immutable_selector,
    validate_status=validate_status,
    strategy=Strategy(
        status=True,
        generation=True,
        on_create=on_create,
        on_update=on_update,
        orphans_in=oldversions.ALL,
        empty_status={
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    ),
    columns=(
        NAME,
        column("Desired", number("status.desiredNumberScheduled"), "integer", description="Nodes that shall run it."),
        column("Current", number("status.currentNumberScheduled"), "integer", description="Nodes that run it."),
        column("Ready", number("status.numberReady"), "integer", description="Nodes where it is ready."),
        column("Up-to-date", number("status.updatedNumberScheduled"), "integer", description="With the new template."),
        column("Available", number("status.numberAvailable"), "integer", description="Nodes where it has been ready."),
        column("Node Selector", node_selector, description="Labels of the nodes it wants."),
        AGE,
        *template_columns(),
    ),
    conversions=(
        oldversions.same_shape("v1beta2", defaults),
        oldversions.daemonset(*oldversions.EXTENSIONS, oldversions.daemonset_defaults),
    ),
    needs_controller=True,
)
