"""CSIDriver: a storage driver, and what it needs from Kubernetes."""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, flag, joined
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.storage import storagerules
from podling.api.kinds.versions import same_shape


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("attachRequired", True)
    for name in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
        spec.setdefault(name, False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    fill(spec, "volumeLifecycleModes", ["Persistent"])


_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    too_long = len(obj["metadata"].get("name", "")) > storagerules.LONGEST_DRIVER
    found = [causes.too_long("metadata.name", storagerules.LONGEST_DRIVER)] if too_long else []
    for mode in spec.get("volumeLifecycleModes") or ():
        found += rules.one_of("spec.volumeLifecycleModes", mode, ("Ephemeral", "Persistent"))
    found += rules.one_of("spec.fsGroupPolicy", spec.get("fsGroupPolicy"), _POLICIES)
    seen: set[str] = set()
    for index, request in enumerate(spec.get("tokenRequests") or ()):
        here, audience = f"spec.tokenRequests[{index}]", request.get("audience", "")
        if audience in seen:
            found.append(causes.duplicate(f"{here}.audience", audience))
        seen.add(audience)
        found += _seconds(f"{here}.expirationSeconds", request.get("expirationSeconds"))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        text = "must be greater than or equal to 10 seconds"
        found.append(causes.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))
    return found


def _seconds(path: str, value: int | None) -> list[Cause]:
    if value is not None and value < 600:
        return [causes.invalid(path, value, "may not specify a duration less than 10 minutes")]
    if value is not None and value > 1 << 32:
        return [causes.invalid(path, value, "may not specify a duration larger than 2^32 seconds")]
    return []


def validate_update(new: Json, old: Json) -> list[Cause]:
    return [
        cause
        for name in ("attachRequired", "volumeLifecycleModes")
        for cause in causes.immutable(f"spec.{name}", at(new, f"spec.{name}"), at(old, f"spec.{name}"))
    ]


def tokens(obj: Json, now: float) -> str:
    requests = at(obj, "spec.tokenRequests")
    return ",".join(request.get("audience", "") for request in requests) if requests else "<unset>"


KIND = Kind(
    "storage.k8s.io",
    "v1",
    "CSIDriver",
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
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
