"""HorizontalPodAutoscaler in the betas of autoscaling/v2, until 1.26.

v2beta2 has the shape of v2. v2beta1 named each target by a field of its own (`targetAverageUtilization`) where v2 has
one `target` of three types, and knew no `behavior`, which goes into the annotation that v1 keeps it in.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import msgspec

from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import annotated, annotation, replaced, with_spec

HUB: Final = "autoscaling/v2"
BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
_DEFAULT: Final = [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 80}}]
_RESOURCES: Final = ("resource", "containerResource")


def beta1_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = copy.deepcopy(_DEFAULT)


def beta1() -> Conversion:
    return with_spec("autoscaling", "v2beta1", beta1_defaults, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    spec = _each(obj.get("spec") or {}, "metrics", "target", _newer)
    behavior = _read(annotation(obj, BEHAVIOR))
    out = obj | {"spec": spec}
    if behavior is not None:
        out = annotated(out, BEHAVIOR, None) | {"spec": spec | {"behavior": behavior}}
    return out | ({"status": _each(obj["status"], "currentMetrics", "current", _newer)} if obj.get("status") else {})


def _from_hub(obj: Json) -> Json:
    spec = _each(obj.get("spec") or {}, "metrics", "target", _older)
    out = obj | {"spec": replaced(spec, behavior=None)}
    if spec.get("behavior"):
        out = annotated(out, BEHAVIOR, msgspec.json.encode(spec["behavior"]).decode())
    return out | ({"status": _each(obj["status"], "currentMetrics", "current", _older)} if obj.get("status") else {})


def _read(text: str) -> Json | None:
    try:
        found = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) and found else None


def _each(owner: Json, field: str, side: str, change: Any) -> Json:
    """The spec or status with all its metrics changed; `side` is `target` or `current`."""
    if not owner.get(field):
        return owner
    return owner | {field: [_metric(metric, side, change) for metric in owner[field]]}


def _metric(metric: Json, side: str, change: Any) -> Json:
    return {name: change(name, source, side) if isinstance(source, dict) else source for name, source in metric.items()}


def _fields(kind: str, side: str) -> dict[str, str]:
    """What v2beta1 calls the amounts of a metric: its name of an amount → v2's name."""
    if kind == "object":
        return {f"{side}Value": "value", "averageValue": "averageValue"}
    named = {f"{side}AverageValue": "averageValue"}
    if kind in _RESOURCES:
        named[f"{side}AverageUtilization"] = "averageUtilization"
    elif kind == "external":
        named[f"{side}Value"] = "value"
    return named


def _newer(kind: str, source: Json, side: str) -> Json:
    rest, amounts = dict(source), {}
    for old, new in _fields(kind, side).items():
        if old in rest:
            amounts[new] = rest.pop(old)
    if side == "target":
        amounts = {"type": _type_of(amounts)} | amounts
    if kind in _RESOURCES:
        return rest | {side: amounts}
    described = {"describedObject": rest.pop("target")} if kind == "object" and "target" in rest else {}
    metric = {"name": rest.pop("metricName", "")}
    selector = rest.pop("metricSelector" if kind == "external" else "selector", None)
    metric |= {} if selector is None else {"selector": selector}
    return rest | described | {"metric": metric, side: amounts}


def _type_of(amounts: Json) -> str:
    if "averageUtilization" in amounts:
        return "Utilization"
    return "AverageValue" if "averageValue" in amounts else "Value"


def _older(kind: str, source: Json, side: str) -> Json:
    rest = dict(source)
    amounts = rest.pop(side, None) or {}
    told = {old: amounts[new] for old, new in _fields(kind, side).items() if new in amounts}
    if kind in _RESOURCES:
        return rest | told
    if kind == "object" and "describedObject" in rest:
        told["target"] = rest.pop("describedObject")
    metric = rest.pop("metric", None) or {}
    if metric.get("selector") is not None:
        told["metricSelector" if kind == "external" else "selector"] = metric["selector"]
    return rest | {"metricName": metric.get("name", "")} | told
