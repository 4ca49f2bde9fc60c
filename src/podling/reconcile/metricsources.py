"""Where an autoscaler's metrics come from, and what each of them asks for: questions to the metrics APIs. Pure.

Resource metrics come from `metrics.k8s.io`, those of Pods and objects from `custom.metrics.k8s.io`, those of nothing in
the cluster from `external.metrics.k8s.io`. The last two are served only where an adapter was installed; where none is,
that is said in upstream's words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

import msgspec

from podling.api import labels
from podling.api.errors import ApiError, NotFound
from podling.api.kinds.core.pod import Pod
from podling.api.quantity import NANO, Quantity, parse
from podling.reconcile import podusage
from podling.reconcile.action import Answers, Ask, Group
from podling.reconcile.podusage import CannotTell, Measured, Proposal, Rules
from podling.reconcile.view import ServedResources

Json = dict[str, Any]
RESOURCES, CUSTOM = "/apis/metrics.k8s.io/v1beta1", "/apis/custom.metrics.k8s.io"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
NO_CUSTOM = "no custom metrics API (custom.metrics.k8s.io) registered"
MINUTE = 60.0


class Target(msgspec.Struct, frozen=True):
    """What is scaled: `replicas` it shall have, `present` that it has, its Pods and the rules for them."""

    namespace: str
    selector: str
    pods: tuple[Pod, ...]
    replicas: int
    present: int
    rules: Rules
    served: ServedResources


class Told(msgspec.Struct, frozen=True):
    """`name` as conditions and events call the metric; `status` for `currentMetrics`."""

    replicas: int
    name: str
    status: Json


class Refused(Exception):
    """A metric that tells nothing: `reason` and text of the condition, `error` as it is counted among others."""

    def __init__(self, reason: str, text: str, error: str = "") -> None:
        super().__init__(text)
        self.reason, self.error = reason, error or text


Evaluation = Generator[Group, Answers, Told]
Question = Generator[Group, Answers, Json]


def evaluate(metric: Json, target: Target) -> Evaluation:
    """One of `spec.metrics`. Raises Refused."""
    kind = metric.get("type", "")
    found = _SOURCES.get(kind)
    if found is None:
        raise Refused("InvalidMetricSourceType", f'unknown metric source type "{kind}"')
    told = yield from found(metric.get(kind[:1].lower() + kind[1:]) or {}, target)
    return told


def _resource(source: Json, target: Target) -> Evaluation:
    return (yield from _measured("Resource", source, target))


def _container(source: Json, target: Target) -> Evaluation:
    return (yield from _measured("ContainerResource", source, target))


def _measured(kind: str, source: Json, target: Target) -> Evaluation:
    name, container, wanted = source["name"], source.get("container", ""), source.get("target") or {}
    reason, average = f"FailedGet{kind}Metric", wanted.get("averageValue")
    what = "usage" if average is not None else "utilization"
    try:
        metrics = yield from _resource_metrics(name, container, target)
        proposal = _proposal(name, container, wanted, metrics, target)
    except CannotTell as error:
        raise Refused(reason, f"failed to get {name} {what}: {error}") from None
    current: Json = {"averageValue": _milli(proposal.average)}
    if proposal.utilization is not None:
        current["averageUtilization"] = proposal.utilization
    told = f"{name} resource" if average is not None else f"{name} resource utilization (percentage of request)"
    member = "resource" if kind == "Resource" else "containerResource"
    status = {"name": name, "current": current} | ({"container": container} if container else {})
    return Told(proposal.replicas, told, {"type": kind, member: status})


def _proposal(name: str, container: str, wanted: Json, metrics: Mapping[str, Measured], target: Target) -> Proposal:
    average, utilization = wanted.get("averageValue"), wanted.get("averageUtilization")
    if average is not None:
        aim = parse(str(average)).milli
        return podusage.by_average(
            target.pods, metrics, current=target.replicas, target=aim, resource=name, rules=target.rules
        )
    if utilization is None:
        text = "neither an average utilization target nor an average value (usage) target was set"
        raise CannotTell(f"invalid resource metric source: {text}")
    return podusage.by_utilization(
        target.pods,
        metrics,
        current=target.replicas,
        target=utilization,
        resource=name,
        container=container,
        rules=target.rules,
    )


def _resource_metrics(name: str, container: str, target: Target) -> Generator[Group, Answers, dict[str, Measured]]:
    query = (("labelSelector", target.selector),)
    answers = yield [Ask(f"{RESOURCES}/namespaces/{target.namespace}/pods", query)]
    answer = answers[0]
    if isinstance(answer, ApiError):
        text = f"unable to fetch metrics from resource metrics API: {answer}"
        raise CannotTell(f"unable to get metrics for resource {name}: {text}")
    if not answer.get("items"):
        raise CannotTell(f"unable to get metrics for resource {name}: no metrics returned from resource metrics API")
    return podusage.measured(answer, name, container)


def _pods(source: Json, target: Target) -> Evaluation:
    name = source["metric"]["name"]
    reason, prefix = "FailedGetPodsMetric", "failed to get pods metric value"
    try:
        query = [("labelSelector", target.selector), *_metric_selector(source)]
        listing = yield from _custom(f"namespaces/{target.namespace}/pods/*/{name}", query)
        metrics = {item["describedObject"]["name"]: _of_item(item) for item in listing.get("items") or ()}
        aim = parse(str(source["target"]["averageValue"])).milli
        proposal = podusage.by_average(
            target.pods, metrics, current=target.replicas, target=aim, resource="", rules=target.rules
        )
    except ApiError as error:
        text = f"unable to get metric {name}: unable to fetch metrics from custom metrics API: {error.message}"
        raise Refused(reason, text, f"{prefix}: {text}") from None
    except CannotTell as error:
        raise Refused(reason, str(error), f"{prefix}: {error}") from None
    status = {"metric": source["metric"], "current": {"averageValue": _milli(proposal.average)}}
    return Told(proposal.replicas, f"pods metric {name}", {"type": "Pods", "pods": status})


def _object(source: Json, target: Target) -> Evaluation:
    name, described, wanted = source["metric"]["name"], source["describedObject"], source.get("target") or {}
    reason, prefix = "FailedGetObjectMetric", "failed to get object metric value"
    try:
        listing = yield from _custom(_object_path(described, name, target), [*_metric_selector(source)])
        items = listing.get("items") or [{}]
        replicas, current = _of_value(_of_item(items[0]).value, wanted, target)
    except ApiError as error:
        where = f"{described.get('kind', '')} {target.namespace}/{described.get('name', '')}"
        text = f"unable to get metric {name}: {where} unable to fetch metrics from custom metrics API: {error.message}"
        raise Refused(reason, text, f"{prefix}: {text}") from None
    except CannotTell as error:
        raise Refused(reason, str(error), f"{prefix}: {error}") from None
    status = {"metric": source["metric"], "describedObject": described, "current": current}
    told = f"{described['kind']} metric {name}" if "value" in current else _external_name(source)
    return Told(replicas, told, {"type": "Object", "object": status})


def _external(source: Json, target: Target) -> Evaluation:
    name, wanted, reason = source["metric"]["name"], source.get("target") or {}, "FailedGetExternalMetric"
    average = wanted.get("averageValue") is not None
    prefix = f"failed to get {name} external metric" if average else f"failed to get external metric {name}"
    query = tuple(("labelSelector", text) for _, text in _metric_selector(source))
    answers = yield [Ask(f"{EXTERNAL}/namespaces/{target.namespace}/{name}", query)]
    answer = answers[0]
    if isinstance(answer, ApiError):
        where = f"{target.namespace}/{name}/{_go(source['metric'].get('selector'))}"
        text = f"unable to get external metric {where}: unable to fetch metrics from external metrics API: {answer}"
        raise Refused(reason, text, f"{prefix}: {text}")
    total = sum(_of_item(item).value for item in answer.get("items") or ())
    try:
        replicas, current = _of_value(total, wanted, target)
    except CannotTell as error:
        raise Refused(reason, str(error), f"{prefix}: {error}") from None
    status = {"metric": source["metric"], "current": current}
    return Told(replicas, _external_name(source), {"type": "External", "external": status})


def _of_value(value: int, wanted: Json, target: Target) -> tuple[int, Json]:
    """Replicas and `current` for a number that is not measured Pod by Pod, in thousandths. Raises CannotTell."""
    if (average := wanted.get("averageValue")) is not None:
        aim, present = parse(str(average)).milli, target.present
        if present and target.rules.small(value / (aim * present)):
            return present, {"averageValue": _milli(math.ceil(value / present))}
        return math.ceil(value / aim), {"averageValue": _milli(math.ceil(value / max(present, 1)))}
    if (whole := wanted.get("value")) is not None:
        ratio = value / parse(str(whole)).milli
        replicas = podusage.by_total(target.pods, current=target.replicas, ratio=ratio, rules=target.rules)
        return replicas, {"value": _milli(value)}
    raise CannotTell("invalid metric source: neither a value target nor an average value target was set")


def _custom(tail: str, query: list[tuple[str, str]]) -> Question:
    """Raises ApiError."""
    answers = yield [Ask(CUSTOM)]
    group = answers[0]
    if isinstance(group, NotFound):
        raise NotFound(NO_CUSTOM)
    if isinstance(group, ApiError):
        raise group
    version = (group.get("preferredVersion") or {}).get("version", "v1beta2")
    answers = yield [Ask(f"{CUSTOM}/{version}/{tail}", tuple(query))]
    if isinstance(answers[0], ApiError):
        raise answers[0]
    return answers[0]


def _object_path(described: Json, metric: str, target: Target) -> str:
    group, kind, name = described.get("apiVersion", "").rpartition("/")[0], described["kind"], described["name"]
    if (group, kind) == ("", "Namespace"):
        return f"namespaces/{name}/metrics/{metric}"
    served = target.served.of_kind(group, kind)
    if served is None:
        raise CannotTell(f'unable to map kind {kind}.{group}: no matches for kind "{kind}" in group "{group}"')
    qualified = f"{served.resource.plural}.{group}".rstrip(".")
    where = f"namespaces/{target.namespace}/" if served.namespaced else ""
    return f"{where}{qualified}/{name}/{metric}"


def _of_item(item: Mapping[str, Any]) -> Measured:
    value = parse(str(item.get("value", "0"))).milli
    return Measured(value, podusage.moment(item.get("timestamp")), float(item.get("windowSeconds") or MINUTE))


def _metric_selector(source: Json) -> list[tuple[str, str]]:
    selector = source["metric"].get("selector")
    return [("metricLabelSelector", str(labels.of(selector)))] if selector else []


def _external_name(source: Json) -> str:
    return f"external metric {source['metric']['name']}({_go(source['metric'].get('selector'))})"


def _go(selector: Json | None) -> str:
    """As Go prints a *LabelSelector."""
    if selector is None:
        return "nil"
    matched = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{matched}}},MatchExpressions:[]LabelSelectorRequirement{{}},}}"
    )


def _milli(amount: int) -> str:
    return str(Quantity(amount * NANO // 1000))


_SOURCES: Mapping[str, Callable[[Json, Target], Evaluation]] = {
    "Resource": _resource,
    "ContainerResource": _container,
    "Pods": _pods,
    "Object": _object,
    "External": _external,
}
