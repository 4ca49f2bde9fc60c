"""From what Pods use to how many there should be: the arithmetic of the horizontal autoscaler. Pure.

Ready Pods are averaged. Those that are not ready or have no metrics count as the side of caution has it: as using
nothing where the others ask for more, as using all they asked for where the others ask for fewer; if that turns the
direction round, nothing changes (the documentation's "Algorithm details"). Amounts are in thousandths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.quantity import parse
from podling.reconcile import pods

Json = dict[str, Any]


class CannotTell(Exception):
    """No number of replicas follows from the metrics; says why in upstream's words."""


class Measured(msgspec.Struct, frozen=True):
    """One Pod's metric: thousandths, when, over how many seconds."""

    value: int
    at: float
    window: float


class Rules(msgspec.Struct, frozen=True):
    """Times in seconds; tolerances as shares of the target."""

    now: float
    up: float = 0.1
    down: float = 0.1
    initialization: float = 300.0
    readiness_delay: float = 30.0

    def small(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Proposal(msgspec.Struct, frozen=True):
    """`utilization` in percent of the requests where that is what was aimed at; `average` in thousandths."""

    replicas: int
    average: int
    utilization: int | None = None


class Groups(msgspec.Struct, frozen=True):
    ready: int
    unready: tuple[str, ...]
    missing: tuple[str, ...]
    ignored: tuple[str, ...]


def by_utilization(
    chosen: Sequence[Pod],
    metrics: Mapping[str, Measured],
    *,
    current: int,
    target: int,
    resource: str,
    container: str,
    rules: Rules,
) -> Proposal:
    """`target` in percent of what was requested. Raises CannotTell."""
    groups = _groups(chosen, metrics, resource, rules)
    requests = _requests(chosen, resource, container)
    used = _of_the_ready(metrics, groups)
    ratio, utilization, average = _utilization(used, requests, target)
    fallback = max(100, target)
    if_used = {name: requests[name] * fallback // 100 for name in groups.missing}
    again = _with_cautious(used, groups, ratio, if_used)
    new_ratio = ratio if again is used else _utilization(again, requests, target)[0]
    return Proposal(_replicas(current, ratio, new_ratio, groups, len(again), rules), average, utilization)


def by_average(
    chosen: Sequence[Pod], metrics: Mapping[str, Measured], *, current: int, target: int, resource: str, rules: Rules
) -> Proposal:
    """`target` in thousandths a Pod. Raises CannotTell."""
    groups = _groups(chosen, metrics, resource, rules)
    used = _of_the_ready(metrics, groups)
    average = sum(used.values()) // len(used)
    ratio = average / target
    again = _with_cautious(used, groups, ratio, dict.fromkeys(groups.missing, target))
    new_ratio = ratio if again is used else sum(again.values()) // len(again) / target
    return Proposal(_replicas(current, ratio, new_ratio, groups, len(again), rules), average)


def by_total(chosen: Sequence[Pod], *, current: int, ratio: float, rules: Rules) -> int:
    """Of a value that is no Pod's own; from none, to as many as it says. Raises CannotTell."""
    if not current:
        return math.ceil(ratio)
    if rules.small(ratio):
        return current
    if not chosen:
        raise CannotTell("unable to calculate ready pods: no pods returned by selector while calculating replica count")
    return math.ceil(ratio * sum(each.status.phase == "Running" and pods.is_ready(each) for each in chosen))


def measured(listing: Mapping[str, Any], resource: str, container: str) -> dict[str, Measured]:
    """Of a PodMetricsList, by Pod's name; Pods of which not every container was measured are left out."""
    out: dict[str, Measured] = {}
    for item in listing.get("items") or ():
        told = [each for each in item.get("containers") or () if not container or each["name"] == container]
        amounts = [(each.get("usage") or {}).get(resource) for each in told]
        if amounts and None not in amounts:
            total = sum(parse(str(each)).milli for each in amounts)
            window = _duration(item.get("window", ""))
            out[item["metadata"]["name"]] = Measured(total, moment(item.get("timestamp")), window)
    return out


def moment(timestamp: str | None) -> float:
    """A time of the metrics APIs as wall clock seconds."""
    return pods.seconds(timestamp, 0.0)


def _groups(chosen: Sequence[Pod], metrics: Mapping[str, Measured], resource: str, rules: Rules) -> Groups:
    if not chosen:
        raise CannotTell("no pods returned by selector while calculating replica count")
    ready, unready, missing, ignored = 0, list[str](), list[str](), list[str]()
    for pod in chosen:
        name, metric = pod.metadata.name, metrics.get(pod.metadata.name)
        if pod.metadata.deletion_timestamp is not None or pod.status.phase == "Failed":
            ignored.append(name)
        elif pod.status.phase == "Pending":
            unready.append(name)
        elif metric is None:
            missing.append(name)
        elif resource == "cpu" and _unsettled(pod, metric, rules):
            unready.append(name)
        else:
            ready += 1
    return Groups(ready, tuple(unready), tuple(missing), tuple(ignored))


def _unsettled(pod: Pod, metric: Measured, rules: Rules) -> bool:
    """What a Pod uses while it starts says nothing of its load."""
    condition = pods.condition(pod, "Ready")
    if condition is None or not pod.status.start_time:
        return True
    started, changed = pods.seconds(pod.status.start_time, 0.0), pods.seconds(condition.last_transition_time, 0.0)
    unready = condition.status == "False"
    if started + rules.initialization > rules.now:
        return unready or metric.at < changed + metric.window
    return unready and started + rules.readiness_delay > changed


def _requests(chosen: Sequence[Pod], resource: str, container: str) -> dict[str, int]:
    out: dict[str, int] = {}
    for pod in chosen:
        total = 0
        lasting = [each for each in pod.spec.init_containers if each.restart_policy == "Always"]
        for each in (*pod.spec.containers, *lasting):
            if container and each.name != container:
                continue
            asked = each.resources.requests.get(resource)
            if asked is None:
                raise CannotTell(f"missing request for {resource} in container {each.name} of Pod {pod.metadata.name}")
            total += parse(str(asked)).milli
        out[pod.metadata.name] = total
    return out


def _of_the_ready(metrics: Mapping[str, Measured], groups: Groups) -> dict[str, int]:
    dropped = {*groups.unready, *groups.ignored}
    used = {name: each.value for name, each in metrics.items() if name not in dropped}
    if not used:
        raise CannotTell("did not receive metrics for targeted pods (pods might be unready)")
    return used


def _utilization(used: Mapping[str, int], requests: Mapping[str, int], target: int) -> tuple[float, int, int]:
    known = [name for name in used if name in requests]
    total, asked = sum(used[name] for name in known), sum(requests[name] for name in known)
    if not asked:
        raise CannotTell("no metrics returned matched known pods")
    percent = total * 100 // asked
    return percent / target, percent, total // len(known)


def _with_cautious(used: dict[str, int], groups: Groups, ratio: float, if_fewer: Mapping[str, int]) -> dict[str, int]:
    """With those that are not ready or not measured, where they matter; `used` itself where nobody does."""
    unready = groups.unready if ratio > 1.0 else ()
    if not unready and not groups.missing:
        return used
    missing = dict(if_fewer) if ratio < 1.0 else dict.fromkeys(groups.missing, 0) if ratio > 1.0 else {}
    return used | missing | dict.fromkeys(unready, 0)


def _replicas(current: int, ratio: float, new_ratio: float, groups: Groups, counted: int, rules: Rules) -> int:
    if not groups.missing and not (groups.unready and ratio > 1.0):
        return current if rules.small(ratio) else math.ceil(ratio * groups.ready)
    turned = (ratio < 1.0 < new_ratio) or (ratio > 1.0 > new_ratio)
    if rules.small(new_ratio) or turned:
        return current
    new = math.ceil(new_ratio * counted)
    against = (new_ratio < 1.0 and new > current) or (new_ratio > 1.0 and new < current)
    return current if against else new


def _duration(text: str) -> float:
    """Of a Go duration: `15s`, `1m0.5s`, `250ms`."""
    total, number = 0.0, ""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    rest = text
    while rest:
        end = next((place for place, char in enumerate(rest) if not (char.isdigit() or char == ".")), len(rest))
        number, rest = rest[:end], rest[end:]
        unit = "ms" if rest.startswith("ms") else rest[:1]
        if not number or unit not in units:
            return 0.0
        total, rest = total + float(number) * units[unit], rest[len(unit) :]
    return total
