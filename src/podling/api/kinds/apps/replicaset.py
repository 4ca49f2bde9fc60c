"""ReplicaSet.

Keeps a number of equal Pods alive. Deployments make them; books made them by hand.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.apps import oldversions, workloadrules
from podling.api.kinds.cells import AGE, NAME, replica_columns, template_columns
from podling.api.kinds.core import poddefaults, warnings
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Scale, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.view import View


class ReplicaSetSpec(View, frozen=True):
    replicas: int | None = None
    min_ready_seconds: int = 0
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()


class ReplicaSetCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class ReplicaSetStatus(View, frozen=True):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    terminating_replicas: int | None = None
    observed_generation: int = 0
    conditions: tuple[ReplicaSetCondition, ...] = ()


class ReplicaSet(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    poddefaults.template(spec.setdefault("template", {}))


def fields(obj: Json) -> dict[str, str]:
    return {"status.replicas": str((obj.get("status") or {}).get("replicas", 0))}


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = workloadrules.not_negative(spec, "spec", "replicas", "minReadySeconds")
    return found + workloadrules.selector_and_template(spec, "ReplicaSet")


def validate_status(new: Json, old: Json) -> list[Cause]:
    found = workloadrules.counts(new, "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    status = new.get("status") or {}
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        text = "cannot be greater than readyReplicas"
        found.append(causes.invalid("status.availableReplicas", status["availableReplicas"], text))
    return found


KIND = Kind(
    "apps",
    "v1",
    "ReplicaSet",
    ReplicaSet,
    defaults=defaults,
    warnings=warnings.workload,
    validate=validate,
    validate_update=workloadrules.immutable_selector,
    validate_status=validate_status,
    strategy=Strategy(status=True, generation=True, empty_status={"replicas": 0}, orphans_in=oldversions.ALL),
    columns=(
        NAME,
        *replica_columns(),
        AGE,
        *template_columns(),
    ),
    fields=fields,
    field_names=frozenset(("status.replicas",)),
    conversions=(
        oldversions.same_shape("v1beta2", defaults),
        oldversions.same_shape("v1beta1", oldversions.replicaset_defaults, "extensions"),
    ),
    scale=Scale(),
    needs_controller=True,
)
