"""HorizontalPodAutoscaler.

Sets the number of replicas by metrics. v2 is the hub; v1 knew the processor only, and kept everything newer in
annotations, which is also where what v1 cannot say goes.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.autoscaling import oldversions, scalingrules
from podling.api.kinds.cells import AGE, NAME, NONE, UNKNOWN, at, column, number, text
from podling.api.kinds.kind import Conversion, Json, Kind, Strategy
from podling.api.kinds.versions import same_shape

METRICS, BEHAVIOR = "autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior"
CURRENT, CONDITIONS = "autoscaling.alpha.kubernetes.io/current-metrics", "autoscaling.alpha.kubernetes.io/conditions"
_DEFAULT_METRICS = [
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
]
_SHOWN = 2


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = copy.deepcopy(_DEFAULT_METRICS)
    behavior = spec.get("behavior")
    if behavior is not None:
        _rules(behavior, "scaleUp", [("Pods", 4), ("Percent", 100)], 0)
        _rules(behavior, "scaleDown", [("Percent", 100)], None)


def _rules(behavior: Json, direction: str, policies: list[tuple[str, int]], window: int | None) -> None:
    rules = behavior.setdefault(direction, {})
    rules.setdefault("selectPolicy", "Max")
    if window is not None:
        rules.setdefault("stabilizationWindowSeconds", window)
    if not rules.get("policies"):
        rules["policies"] = [{"type": kind, "value": amount, "periodSeconds": 15} for kind, amount in policies]


def default_v1(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("minReplicas", 1)


def to_hub(obj: Json) -> Json:
    """The processor's utilization becomes a metric; metrics beyond it come back from the annotations."""
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    metrics = _take(annotations, METRICS)
    behavior = _take(annotations, BEHAVIOR)
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        metrics = [_cpu("target", {"type": "Utilization", "averageUtilization": target}), *(metrics or [])]
    spec |= {"metrics": metrics} if metrics else {}
    spec |= {"behavior": behavior} if behavior else {}
    current = _take(annotations, CURRENT)
    load = status.pop("currentCPUUtilizationPercentage", None)
    if load is not None:
        current = [_cpu("current", {"averageUtilization": load}), *(current or [])]
    status |= {"currentMetrics": current} if current else {}
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)  # v1 writes a zero, v2 does not
    conditions = _take(annotations, CONDITIONS)
    status |= {"conditions": conditions} if conditions else {}
    return _assembled(obj, "autoscaling/v2", annotations, spec, status)


def from_hub(obj: Json) -> Json:
    """What v1 cannot say goes into annotations."""
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    metrics, behavior = spec.pop("metrics", None) or [], spec.pop("behavior", None)
    others = list(metrics)
    for metric in metrics:
        utilization = at(metric, "resource.target.averageUtilization")
        if utilization is not None and at(metric, "resource.name") == "cpu":
            spec["targetCPUUtilizationPercentage"] = utilization
            others.remove(metric)
            break
    current = status.pop("currentMetrics", None) or []
    others_now = list(current)
    for metric in current:
        utilization = at(metric, "resource.current.averageUtilization")
        if utilization is not None and at(metric, "resource.name") == "cpu":
            status["currentCPUUtilizationPercentage"] = utilization
            others_now.remove(metric)
            break
    if "status" in obj:
        status.setdefault("currentReplicas", 0)
    conditions = status.pop("conditions", None)
    kept = {METRICS: others, BEHAVIOR: behavior, CURRENT: others_now, CONDITIONS: conditions}
    annotations |= {key: msgspec.json.encode(found).decode() for key, found in kept.items() if found}
    return _assembled(obj, "autoscaling/v1", annotations, spec, status)


def _cpu(side: str, amount: Json) -> Json:
    return {"type": "Resource", "resource": {"name": "cpu", side: amount}}


def _take(annotations: Json, key: str) -> Any:
    """What an annotation holds, taken out of it; None and left alone where it holds nothing that can be read."""
    try:
        found = msgspec.json.decode(annotations.get(key, ""))
    except msgspec.DecodeError:
        return None
    if found:
        del annotations[key]
    return found


def _assembled(obj: Json, api_version: str, annotations: Json, spec: Json, status: Json) -> Json:
    metadata = {key: found for key, found in obj["metadata"].items() if key != "annotations"}
    metadata |= {"annotations": annotations} if annotations else {}
    out = {**obj, "apiVersion": api_version, "metadata": metadata, "spec": spec}
    if status or "status" in obj:
        out["status"] = status
    return out


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    low, high, found = spec.get("minReplicas"), spec.get("maxReplicas", 0), []
    if low is not None and low < 0:
        found.append(causes.invalid("spec.minReplicas", low, "must be greater than or equal to 0"))
    if high < 1:
        found.append(causes.invalid("spec.maxReplicas", high, "must be greater than 0"))
    if low is not None and high < low:
        found.append(causes.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    for name in ("kind", "name"):
        text = at(spec, f"scaleTargetRef.{name}") or ""
        found += rules.named(f"spec.scaleTargetRef.{name}", text, names.path_segment)
    return found + scalingrules.metrics(spec) + scalingrules.behavior(spec)


def reference(obj: Json, now: float) -> str:
    target = at(obj, "spec.scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def targets(obj: Json, now: float) -> str:
    """`cpu: 12%/80%, 10/20`; `<unknown>` for what has not been measured."""
    metrics, current = at(obj, "spec.metrics") or [], at(obj, "status.currentMetrics") or []
    if not metrics:
        return NONE
    shown = [_metric(metric, current[i] if i < len(current) else {}) for i, metric in enumerate(metrics)]
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _metric(metric: Json, current: Json) -> str:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    wanted, measured = at(metric, f"{field}.target") or {}, at(current, f"{field}.current") or {}
    if kind in ("Resource", "ContainerResource"):
        label = f"{at(metric, f'{field}.name')}: "
        if "averageValue" in wanted:
            return f"{label}{measured.get('averageValue', UNKNOWN)}/{wanted['averageValue']}"
        load = measured.get("averageUtilization")
        target = wanted.get("averageUtilization")
        shown = UNKNOWN if load is None else f"{load}%"
        return f"{label}{shown}/{'<auto>' if target is None else f'{target}%'}"
    if "averageValue" in wanted:
        average = "" if kind == "Pods" else " (avg)"
        return f"{measured.get('averageValue', UNKNOWN)}/{wanted['averageValue']}{average}"
    return f"{measured.get('value', UNKNOWN)}/{wanted.get('value', UNKNOWN)}"


KIND = Kind(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    defaults=defaults,
    validate=validate,
    strategy=Strategy(status=True, status_keeps_metadata=True, empty_status={"desiredReplicas": 0}),
    columns=(
        NAME,
        column("Reference", reference, description="What it scales."),
        column("Targets", targets, description="Measured and wanted."),
        column("MinPods", text("spec.minReplicas", "<unset>"), description="Lower bound."),
        column("MaxPods", number("spec.maxReplicas"), description="Upper bound."),
        column("Replicas", number("status.currentReplicas"), description="Replicas it last saw."),
        AGE,
    ),
    conversions=(
        Conversion("autoscaling", "v1", default_v1, to_hub, from_hub),
        same_shape("autoscaling", "v2beta2", defaults, oldversions.HUB),
        oldversions.beta1(),
    ),
    needs_controller=True,
)
