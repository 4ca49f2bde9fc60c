"""DaemonSet.

One Pod on every node that takes it.
"""

from __future__ import annotations

from podling.api.kinds.apps.v1beta2 import same_shape
from podling.api.kinds.cells import AGE, NAME, at, column, labels_text, number, template_columns
from podling.api.kinds.core import poddefaults
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
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


def node_selector(obj: Json, now: float) -> str:
    return labels_text(at(obj, "spec.template.spec.nodeSelector"))


KIND = Kind(
    "apps",
    "v1",
    "DaemonSet",
    DaemonSet,
    defaults=defaults,
    strategy=Strategy(status=True, generation=True),
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
    conversions=(same_shape("v1beta2", defaults),),
    needs_controller=True,
)
