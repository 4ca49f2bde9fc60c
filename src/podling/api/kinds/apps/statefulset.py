"""StatefulSet.

Pods with names, an order and volumes of their own.
"""

from __future__ import annotations

from podling.api.kinds.apps.v1beta2 import same_shape
from podling.api.kinds.cells import AGE, NAME, at, column, template_columns
from podling.api.kinds.core import persistentvolumeclaim, poddefaults
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


def ready(obj: Json, now: float) -> str:
    return f"{at(obj, 'status.readyReplicas') or 0}/{at(obj, 'spec.replicas') or 0}"


KIND = Kind(
    "apps",
    "v1",
    "StatefulSet",
    StatefulSet,
    defaults=defaults,
    strategy=Strategy(status=True, generation=True),
    columns=(
        NAME,
        column("Ready", ready, description="Ready Pods of the Pods it shall have."),
        AGE,
        *template_columns(selector=""),
    ),
    conversions=(same_shape("v1beta2", defaults),),
    scale=Scale(),
    needs_controller=True,
)
