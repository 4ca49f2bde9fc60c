"""Pod.

The unit everything else makes and counts. Its spec is shared with the templates of all workloads (`podspec`), its
status belongs to the kubelet; what may be changed after creation is very little.
"""

from __future__ import annotations

from podling.api.kinds.core import podchanges, poddefaults, podrules, podtable, warnings
from podling.api.kinds.core.podqos import qos_class
from podling.api.kinds.core.podspec import PodSpec
from podling.api.kinds.core.podstatus import PodStatus
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class Pod(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)


def fields(obj: Json) -> dict[str, str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


def on_create(obj: Json) -> None:
    """A new Pod is Pending, and its quality of service is fixed from now on."""
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        reason = {"reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}
        obj["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", **reason}]


def grace(obj: Json, asked: int | None) -> int:
    """Seconds until a deleted Pod is gone for good: 0 where no kubelet has to stop anything."""
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in podtable.TERMINAL:
        return 0
    period = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 30)
    return int(period) if period >= 0 else 1


KIND = Kind(
    "",
    "v1",
    "Pod",
    Pod,
    defaults=poddefaults.pod,
    fills_parts_alone=True,
    warnings=warnings.pod,
    validate=podrules.pod,
    validate_create=podrules.pod_create,
    validate_update=podchanges.pod_update,
    validate_status=podchanges.status_update,
    subresource_validation={
        "ephemeralcontainers": podchanges.ephemeral_update,
        "resize": podchanges.resize_update,
    },
    strategy=Strategy(
        status=True,
        generation=True,
        returns_deleted=True,
        subresource_fields={
            "ephemeralcontainers": ("ephemeralContainers",),
            "resize": ("containers", "initContainers", "resources"),
        },
        on_create=on_create,
    ),
    columns=podtable.COLUMNS,
    fields=fields,
    field_names=frozenset(FIELDS),
    grace=grace,
)
