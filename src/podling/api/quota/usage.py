"""What one object counts against a quota, by the names a quota uses (`pods`, `requests.cpu`, `count/jobs.batch`).

Every object counts as itself (`count/<plural>.<group>`); Pods, Services and claims count for what they ask as well
(Kubernetes documentation, "Resource Quotas"). A Pod that has ended, or should have ended by now, holds nothing but its
place in the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core import podresources
from podling.api.kinds.core.persistentvolumeclaim import PersistentVolumeClaim
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.service import Service
from podling.api.quantity import NANO, Quantity, parse
from podling.env import parse_rfc3339

Usage = dict[str, Quantity]
Source = tuple[str, str]
"""(group, plural) of a resource whose objects count."""

ONE = Quantity(NANO)
PODS, SERVICES, CLAIMS = ("", "pods"), ("", "services"), ("", "persistentvolumeclaims")
# Counted under their bare names too.
NAMED = ("configmaps", "replicationcontrollers", "resourcequotas", "secrets", "services", "persistentvolumeclaims")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_CLASS = ".storageclass.storage.k8s.io/"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def counted_as(source: Source) -> str:
    group, plural = source
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def sources_of(names: Iterable[str]) -> tuple[Source, ...]:
    """The resources whose objects a quota with these names counts, sorted."""
    return tuple(sorted({_source(name) for name in names}))


def _source(name: str) -> Source:
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    plural = name.partition(".")[0]
    if plural in NAMED and not name.startswith("requests."):
        return "", plural
    if name == "requests.storage" or _CLASS in name:
        return CLAIMS
    return PODS


def usage_of(source: Source, view: Any, now: float) -> Usage:
    """`view`: the kind's typed view; of kinds that merely count it is not looked at."""
    used = {counted_as(source): ONE}
    if not source[0] and source[1] in NAMED:
        used[source[1]] = ONE
    if source == PODS:
        if holds(view, now):
            used |= pod_usage(view)
    elif source == SERVICES:
        used |= _service(view)
    elif source == CLAIMS:
        used |= _claim(view)
    return used


def holds(pod: Pod, now: float) -> bool:
    """Whether a Pod holds resources: it has not ended, nor overstayed the end it was given."""
    if pod.status.phase in ("Succeeded", "Failed"):
        return False
    ends = overdue_at(pod)
    return ends is None or now <= ends


def overdue_at(pod: Pod) -> float | None:
    """When a terminating Pod should be gone."""
    metadata = pod.metadata
    if not metadata.deletion_timestamp:
        return None
    return parse_rfc3339(metadata.deletion_timestamp) + (metadata.deletion_grace_period_seconds or 0)


def pod_usage(pod: Pod) -> Usage:
    return {"pods": ONE} | of_requirements(
        podresources.of_pod(pod.spec, "requests"), podresources.of_pod(pod.spec, "limits")
    )


def of_requirements(requests: Usage, limits: Usage) -> Usage:
    """Requests and limits under the names of quotas: cpu is requests.cpu; extended resources have requests only."""
    used: Usage = {}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            used[name] = used[f"requests.{name}"] = amount
        elif "/" in name:
            used[f"requests.{name}"] = amount
    for name, amount in limits.items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = amount
    return used


def _service(service: Service) -> Usage:
    spec = service.spec
    if spec.type == "NodePort":
        return {"services.nodeports": Quantity(len(spec.ports) * NANO)}
    if spec.type != "LoadBalancer":
        return {}
    given = spec.allocate_load_balancer_node_ports
    ports = len(spec.ports) if given is None or given else sum(1 for port in spec.ports if port.node_port)
    return {"services.nodeports": Quantity(ports * NANO), "services.loadbalancers": ONE}


def _claim(claim: PersistentVolumeClaim) -> Usage:
    storage = claim.spec.resources.requests.get("storage")
    allotted = claim.status.allocated_resources.get("storage")
    amount = max((parse(text) for text in (storage, allotted) if text), default=None)
    used: Usage = {} if amount is None else {"requests.storage": amount}
    if name := claim.metadata.annotations.get(_BETA_CLASS) or claim.spec.storage_class_name:
        used[f"{name}{_CLASS}persistentvolumeclaims"] = ONE
        if amount is not None:
            used[f"{name}{_CLASS}requests.storage"] = amount
    return used
