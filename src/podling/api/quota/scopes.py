"""Which objects a quota's scopes let it count: all of them have to hold; only Pods and claims know any.

(Kubernetes documentation, "Resource Quotas", quota scopes.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podspec import PodSpec
from podling.api.kinds.core.resourcequota import ResourceQuota, ScopedResourceSelectorRequirement
from podling.api.kinds.core.scheduling import PodAffinityTerm
from podling.api.labels import OPERATORS, Requirement
from podling.api.quota.usage import CLAIMS, PODS, Source

PRIORITY, ATTRIBUTES = "PriorityClass", "VolumeAttributesClass"


def matches(quota: ResourceQuota, source: Source, view: Any) -> bool:
    """Whether an object counts; `view` is its typed view."""
    demands = demands_of(quota)
    if not demands:
        return True
    if source == PODS:
        return all(_pod(each, view) for each in demands)
    return source == CLAIMS and all(_claim(each, view) for each in demands)


def demands_of(quota: ResourceQuota) -> tuple[ScopedResourceSelectorRequirement, ...]:
    """Scopes and scope selector as one list."""
    plain = tuple(ScopedResourceSelectorRequirement(scope, "Exists") for scope in quota.spec.scopes)
    selector = quota.spec.scope_selector
    return plain + (selector.match_expressions if selector is not None else ())


def _pod(demand: ScopedResourceSelectorRequirement, pod: Pod) -> bool:
    spec = pod.spec
    match demand.scope_name:
        case "Terminating":
            return spec.active_deadline_seconds is not None
        case "NotTerminating":
            return spec.active_deadline_seconds is None
        case "BestEffort":
            return best_effort(spec)
        case "NotBestEffort":
            return not best_effort(spec)
        case "CrossNamespacePodAffinity":
            return any(term.namespaces or term.namespace_selector is not None for term in _terms(spec))
        case "PriorityClass":
            return _selects(demand, {PRIORITY: spec.priority_class_name} if spec.priority_class_name else {})
    return False


def _claim(demand: ScopedResourceSelectorRequirement, claim: PersistentVolumeClaim) -> bool:
    if demand.scope_name != ATTRIBUTES:
        return False
    names = (claim.spec.volume_attributes_class_name, claim.status.current_volume_attributes_class_name)
    given = [name for name in dict.fromkeys(names) if name]
    return any(_selects(demand, {ATTRIBUTES: name}) for name in given) or (not given and _selects(demand, {}))


def best_effort(spec: PodSpec) -> bool:
    """Neither requests nor limits of cpu or memory."""
    owners = [spec.resources] if spec.resources is not None else []
    owners += [container.resources for container in (*spec.containers, *spec.init_containers)]
    return not any(
        amounts.get(name, "0") != "0"
        for owner in owners
        for amounts in (owner.requests, owner.limits)
        for name in ("cpu", "memory")
    )


def _selects(demand: ScopedResourceSelectorRequirement, labels: Mapping[str, str]) -> bool:
    operator = OPERATORS.get(demand.operator, "")
    return Requirement(demand.scope_name, operator, demand.values).matches(labels)


def _terms(spec: PodSpec) -> Iterator[PodAffinityTerm]:
    if spec.affinity is None:
        return
    for affinity in (spec.affinity.pod_affinity, spec.affinity.pod_anti_affinity):
        if affinity is not None:
            yield from affinity.required_during_scheduling_ignored_during_execution
            preferred = affinity.preferred_during_scheduling_ignored_during_execution
            yield from (each.pod_affinity_term for each in preferred)
