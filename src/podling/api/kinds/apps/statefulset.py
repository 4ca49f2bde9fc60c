"""StatefulSet.

Pods with names, an order and volumes of their own.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps import oldversions, workloadrules
from podling.api.kinds.cells import AGE, NAME, column, ready_of_replicas, template_columns
from podling.api.kinds.core import persistentvolumeclaim, poddefaults, warnings
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Scale, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.view import View


class RollingUpdateStatefulSetStrategy(View, frozen=True):
    partition: int | None = None
    max_unavailable: int | str | None = None


class StatefulSetUpdateStrategy(View, frozen=True):
    type: str = ""
    rolling_update: RollingUpdateStatefulSetStrategy | None = None


class StatefulSetPersistentVolumeClaimRetentionPolicy(View, frozen=True):
    when_deleted: str = ""
    when_scaled: str = ""


class StatefulSetOrdinals(View, frozen=True):
    start: int = 0


class StatefulSetSpec(View, frozen=True):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()
    service_name: str = ""
    pod_management_policy: str = ""
    update_strategy: StatefulSetUpdateStrategy = StatefulSetUpdateStrategy()
    revision_history_limit: int | None = None
    min_ready_seconds: int = 0
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    ordinals: StatefulSetOrdinals | None = None


class StatefulSetCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class StatefulSetStatus(View, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int | None = None
    conditions: tuple[StatefulSetCondition, ...] = ()
    available_replicas: int = 0


class StatefulSet(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "podManagementPolicy", "OrderedReady")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(retention, "whenDeleted", "Retain")
    fill(retention, "whenScaled", "Retain")
    poddefaults.template(spec.setdefault("template", {}))
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update({"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        persistentvolumeclaim.defaults(claim)


_UPDATABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = rules.required_one_of(
        "spec.podManagementPolicy", spec.get("podManagementPolicy"), ("OrderedReady", "Parallel")
    )
    strategy = spec.get("updateStrategy") or {}
    found += rules.required_one_of("spec.updateStrategy.type", strategy.get("type"), ("RollingUpdate", "OnDelete"))
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    found += rules.not_negative("spec.updateStrategy.rollingUpdate.partition", partition)
    unavailable = (strategy.get("rollingUpdate") or {}).get("maxUnavailable")
    if unavailable is not None:
        found += _unavailable("spec.updateStrategy.rollingUpdate.maxUnavailable", unavailable)
    if strategy.get("type") == "OnDelete" and strategy.get("rollingUpdate") is not None:
        text = "only allowed for updateStrategy 'RollingUpdate'"
        found.append(causes.invalid("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], text))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for name, value in retention.items():
        found += rules.one_of(f"spec.persistentVolumeClaimRetentionPolicy.{name}", value, ("Retain", "Delete"))
    found += workloadrules.not_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    start = (spec.get("ordinals") or {}).get("start")
    found += rules.not_negative("spec.ordinals.start", start)
    if service := spec.get("serviceName"):
        found += rules.all_invalid("spec.serviceName", service, names.dns_subdomain(service))
    found += workloadrules.selector_and_template(_with_claims(spec), "StatefulSet", "statefulset")
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        path = f"spec.volumeClaimTemplates[{index}].spec"
        found += persistentvolumeclaim.validate_spec(path, claim.get("spec") or {})
    return found


def _with_claims(spec: Json) -> Json:
    """With a volume in the template for each claim, instead of one of the same name: containers may mount them."""
    claims = dict.fromkeys(
        (each.get("metadata") or {}).get("name", "") for each in spec.get("volumeClaimTemplates") or ()
    )
    template = spec.get("template") or {}
    if not claims or not template.get("spec"):
        return spec
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    volumes += [each for each in template["spec"].get("volumes") or () if each.get("name") not in claims]
    return spec | {"template": template | {"spec": template["spec"] | {"volumes": volumes}}}


def _unavailable(path: str, value: int | str) -> list[Cause]:
    found = workloadrules.int_or_percent(path, value)
    if not found and not workloadrules.percent_or_zero(value):
        found = [causes.invalid(path, value, "cannot be 0")]
    return found + workloadrules.at_most_whole(path, value)


def validate_update(new: Json, old: Json) -> list[Cause]:
    """Claims, selector, service and order are for ever."""
    now, before = new.get("spec") or {}, old.get("spec") or {}
    fixed = {*now, *before} - set(_UPDATABLE)
    if all((now.get(name) or None) == (before.get(name) or None) for name in fixed):
        return []
    listed = ", ".join(f"'{name}'" for name in _UPDATABLE[:-1])
    text = f"updates to statefulset spec for fields other than {listed} and '{_UPDATABLE[-1]}' are forbidden"
    return [causes.forbidden("spec", text)]


def validate_status(new: Json, old: Json) -> list[Cause]:
    found = workloadrules.counts(new, "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    status = new.get("status") or {}
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        text = "cannot be greater than status.readyReplicas"
        found.append(causes.invalid("status.availableReplicas", status["availableReplicas"], text))
    return found + workloadrules.not_negative(status, "status", "collisionCount")


KIND = Kind(
    "apps",
    "v1",
    "StatefulSet",
    StatefulSet,
    defaults=defaults,
    warnings=warnings.template,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    name_rule=names.dns_label,
    strategy=Strategy(
        status=True, generation=True, empty_status={"replicas": 0, "availableReplicas": 0}, orphans_in=oldversions.ALL
    ),
    columns=(
        NAME,
        column("Ready", ready_of_replicas, description="Ready Pods of the Pods it shall have."),
        AGE,
        *template_columns(selector=""),
    ),
    conversions=(
        oldversions.same_shape("v1beta2", defaults),
        oldversions.same_shape("v1beta1", oldversions.statefulset_defaults),
    ),
    scale=Scale(),
    needs_controller=True,
)
