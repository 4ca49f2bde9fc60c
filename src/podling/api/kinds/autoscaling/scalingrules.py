"""What an autoscaler's metrics and behavior may say, in upstream's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.kind import Json
from podling.api.quantity import BadQuantity, Quantity, parse

SOURCES: Mapping[str, str] = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
TARGETS = ("AverageValue", "Utilization", "Value")
LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800


def metrics(spec: Json) -> list[Cause]:
    """Of all of `spec.metrics`; whoever may scale to zero needs one that does not come from Pods."""
    found: list[Cause] = []
    listed = spec.get("metrics") or []
    for number, metric in enumerate(listed):
        found += _metric(f"spec.metrics[{number}]", metric)
    if spec.get("minReplicas") == 0 and not any(each.get("type") in ("Object", "External") for each in listed):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(causes.forbidden("spec.metrics", text))
    return found


def behavior(spec: Json) -> list[Cause]:
    told = spec.get("behavior") or {}
    return [
        cause
        for direction in ("scaleUp", "scaleDown")
        if told.get(direction) is not None
        for cause in _rules(f"spec.behavior.{direction}", told[direction])
    ]


def _metric(path: str, metric: Json) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield causes.required(f"{path}.type", "must specify a metric source type")
        return
    if kind not in SOURCES:
        yield causes.unsupported(f"{path}.type", kind, sorted(SOURCES))
        return
    present = [name for name in sorted(SOURCES.values()) if metric.get(name) is not None]
    expected = SOURCES[kind]
    if expected not in present:
        yield causes.required(f"{path}.{expected}", "must populate information for the given metric source")
    for name in present:
        if name != expected:
            yield causes.forbidden(f"{path}.{name}", "must populate the given metric source only")
    if expected in present:
        yield from _source(f"{path}.{expected}", kind, metric[expected])


def _source(path: str, kind: str, source: Json) -> Iterator[Cause]:
    target = source.get("target") or {}
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            yield causes.required(f"{path}.name", "must specify a resource name")
        if kind == "ContainerResource" and not source.get("container"):
            yield causes.required(f"{path}.container", "must specify a container")
    elif not (source.get("metric") or {}).get("name"):
        yield causes.required(f"{path}.metric.name", "must specify a metric name")
    if kind == "Object":
        described = source.get("describedObject") or {}
        for name in ("kind", "name"):
            if not described.get(name):
                yield causes.required(f"{path}.describedObject.{name}")
    yield from _target(f"{path}.target", target)
    yield from _one_of(path, kind, target)


def _one_of(path: str, kind: str, target: Json) -> Iterator[Cause]:
    average, value = target.get("averageValue"), target.get("value")
    if kind in ("Resource", "ContainerResource"):
        share = target.get("averageUtilization")
        if share is None and average is None:
            text = "must set either a target raw value or a target utilization"
            yield causes.required(f"{path}.target.averageUtilization", text)
        if share is not None and average is not None:
            text = "may not set both a target raw value and a target utilization"
            yield causes.forbidden(f"{path}.target.averageValue", text)
    elif kind == "Pods":
        if average is None:
            yield causes.required(f"{path}.target.averageValue", "must specify a positive target averageValue")
    elif average is None and value is None:
        text = "must set either a target value for metric or a per-pod target"
        yield causes.required(f"{path}.target.averageValue", text)
    elif kind == "External" and average is not None and value is not None:
        text = "may not set both a target value for metric and a per-pod target"
        yield causes.forbidden(f"{path}.target.value", text)


def _target(path: str, target: Json) -> Iterator[Cause]:
    kind = target.get("type") or ""
    if not kind:
        yield causes.required(f"{path}.type", "must specify a metric target type")
    elif kind not in TARGETS:
        yield causes.unsupported(f"{path}.type", kind, TARGETS)
    for name in ("value", "averageValue"):
        if target.get(name) is not None and not _positive(target[name]):
            yield causes.invalid(f"{path}.{name}", target[name], "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield causes.invalid(f"{path}.averageUtilization", share, "must be greater than 0")


def _rules(path: str, rules: Json) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield causes.invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        text = f"must be less than or equal to {LONGEST_WINDOW}"
        yield causes.invalid(f"{path}.stabilizationWindowSeconds", window, text)
    chosen = rules.get("selectPolicy")
    if chosen is not None and chosen not in ("Disabled", "Max", "Min"):
        yield causes.unsupported(f"{path}.selectPolicy", chosen, ("Disabled", "Max", "Min"))
    tolerance = rules.get("tolerance")
    if tolerance is not None and not _positive(tolerance, or_zero=True):
        yield causes.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")
    if not rules.get("policies"):
        yield causes.required(f"{path}.policies", "must specify at least one Policy")
    for number, policy in enumerate(rules.get("policies") or ()):
        yield from _policy(f"{path}.policies[{number}]", policy)


def _policy(path: str, policy: Json) -> Iterator[Cause]:
    if policy.get("type") not in ("Percent", "Pods"):
        yield causes.unsupported(f"{path}.type", policy.get("type", ""), ("Percent", "Pods"))
    for name in ("value", "periodSeconds"):
        if policy.get(name, 0) <= 0:
            yield causes.invalid(f"{path}.{name}", policy.get(name, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > LONGEST_PERIOD:
        text = f"must be less than or equal to {LONGEST_PERIOD}"
        yield causes.invalid(f"{path}.periodSeconds", policy["periodSeconds"], text)


def _positive(value: Any, *, or_zero: bool = False) -> bool:
    """What is no quantity was refused before."""
    try:
        amount = parse(str(value))
    except BadQuantity:
        return True
    return amount > Quantity(0) or (or_zero and not amount)
