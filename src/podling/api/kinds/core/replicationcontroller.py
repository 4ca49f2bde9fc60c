"""ReplicationController.

The ReplicaSet's predecessor, with a plain map as selector.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.apps import workloadrules
from podling.api.kinds.cells import AGE, NAME, at, column, labels_text, replica_columns, template_columns
from podling.api.kinds.core import poddefaults, podrules, warnings
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Scale, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class ReplicationControllerSpec(View, frozen=True):
    replicas: int | None = None
    min_ready_seconds: int = 0
    selector: dict[str, str] = field(default_factory=dict)
    template: PodTemplateSpec | None = None


class ReplicationControllerCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class ReplicationControllerStatus(View, frozen=True):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: tuple[ReplicationControllerCondition, ...] = ()


class ReplicationController(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicationControllerStatus = ReplicationControllerStatus()


def defaults(obj: Json) -> None:
    """Selector and labels are those of the template where they are not given."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.get("template") or {}
    poddefaults.template(template)
    if labels := (template.get("metadata") or {}).get("labels"):
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def fields(obj: Json) -> dict[str, str]:
    return {"status.replicas": str((obj.get("status") or {}).get("replicas", 0))}


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = workloadrules.not_negative(spec, "spec", "minReadySeconds")
    selector, template = spec.get("selector") or {}, spec.get("template")
    if not selector:
        found.append(causes.required("spec.selector"))
    found += workloadrules.not_negative(spec, "spec", "replicas")
    if template is None:
        return [*found, causes.required("spec.template")]
    own = (template.get("metadata") or {}).get("labels") or {}
    if any(own.get(key) != text for key, text in selector.items()):
        text = "`selector` does not match template `labels`"
        found.append(causes.invalid("spec.template.metadata.labels", own, text))
    found += podrules.template("spec.template", template)
    return found + workloadrules.always_restarts(template, "ReplicationController")


def validate_status(new: Json, old: Json) -> list[Cause]:
    return workloadrules.counts(new, "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


KIND = Kind(
    "",
    "v1",
    "ReplicationController",
    ReplicationController,
    defaults=defaults,
    warnings=warnings.workload,
    validate=validate,
    validate_status=validate_status,
    strategy=Strategy(status=True, generation=True, empty_status={"replicas": 0}, orphans_in=frozenset({("", "v1")})),
    columns=(
        NAME,
        *replica_columns(),
        AGE,
        *template_columns(selector=""),
        column("Selector", lambda obj, _: labels_text(at(obj, "spec.selector")), wide=True, description="Its Pods."),
    ),
    fields=fields,
    field_names=frozenset(("status.replicas",)),
    scale=Scale(),
    needs_controller=True,
)
