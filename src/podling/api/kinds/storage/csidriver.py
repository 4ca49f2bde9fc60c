"""CSIDriver: a storage driver, and what it needs from Kubernetes."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, at, column, flag, joined
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("attachRequired", True)
    for name in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
        spec.setdefault(name, False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    fill(spec, "volumeLifecycleModes", ["Persistent"])


def tokens(obj: Json, now: float) -> str:
    requests = at(obj, "spec.tokenRequests")
    return ",".join(request.get("audience", "") for request in requests) if requests else "<unset>"


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSIDriver",
    defaults=defaults,
    strategy=Strategy(unconditional_update=False),
    columns=(
        NAME,
        column("AttachRequired", flag("spec.attachRequired"), "boolean", description="Volumes are attached first."),
        column("PodInfoOnMount", flag("spec.podInfoOnMount"), "boolean", description="It is told about the Pod."),
        column("StorageCapacity", flag("spec.storageCapacity"), "boolean", description="It publishes capacity."),
        column("TokenRequests", tokens, description="Audiences of tokens it gets."),
        column("RequiresRepublish", flag("spec.requiresRepublish"), "boolean", description="It is called again."),
        column("Modes", lambda obj, _: joined(at(obj, "spec.volumeLifecycleModes") or ()), description="Lifecycles."),
        AGE,
    ),
    conversions=(same_shape("storage.k8s.io", "v1beta1", defaults, "storage.k8s.io/v1"),),
)
