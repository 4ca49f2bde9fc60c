"""Requests and limits of a container as cgroup settings, and the quality of service that follows from them.

Formulas are those of the Kubernetes documentation ("Pod Quality of Service Classes", "Resource Management for Pods and
Containers"): shares are milli-CPU × 1024 / 1000, a quota is a share of a 100 ms period. Negative OOM scores are not
asked for: an unprivileged node may not set them, and the container would fail whole.
"""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.kinds.core.pod import Pod
from podling.api.quantity import parse
from podling.kubelet.podstate import AnyContainer
from podling.runtime.interface import Resources

PERIOD = 100_000
SMALLEST_QUOTA = 1_000
SMALLEST_SHARES = 2


def qos_class(pod: Pod) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`."""
    containers = pod.spec.init_containers + pod.spec.containers
    needs = [(_computing(c.resources.requests), _computing(c.resources.limits)) for c in containers]
    if not any(requests or limits for requests, limits in needs):
        return "BestEffort"
    for requests, limits in needs:
        complete = {"cpu", "memory"} <= limits.keys()
        if not complete or any(parse(requests.get(name, limit)) != parse(limit) for name, limit in limits.items()):
            return "Burstable"
    return "Guaranteed"


def _computing(resources: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in resources.items() if name in ("cpu", "memory") and parse(value)}


def cgroup_of(pod: Pod) -> str:
    """The Pod's cgroup below the node's, e.g. `burstable/pod<uid>`."""
    quality = qos_class(pod)
    folder = f"pod{pod.metadata.uid}"
    return folder if quality == "Guaranteed" else f"{quality.lower()}/{folder}"


def resources_of(pod: Pod, container: AnyContainer, memory_capacity: int) -> Resources:
    """What the runtime is to enforce; `memory_capacity` of the node, in bytes, weighs the OOM score."""
    limits, requests = container.resources.limits, container.resources.requests
    cpu_limit = parse(limits["cpu"]).milli if "cpu" in limits else 0
    cpu_request = parse(requests["cpu"]).milli if "cpu" in requests else cpu_limit
    quality = qos_class(pod)
    return Resources(
        memory_limit=parse(limits["memory"]).value or None if "memory" in limits else None,
        cpu_shares=max(cpu_request * 1024 // 1000, SMALLEST_SHARES),
        cpu_quota=max(cpu_limit * PERIOD // 1000, SMALLEST_QUOTA) if cpu_limit else None,
        cpu_period=PERIOD,
        oom_score_adj=_oom_score(quality, parse(requests.get("memory", "0")).value, memory_capacity),
    )


def _oom_score(quality: str, memory_request: int, memory_capacity: int) -> int | None:
    if quality == "Guaranteed":
        return None
    if quality == "BestEffort":
        return 1000
    return min(max(1000 - 1000 * memory_request // max(memory_capacity, 1), 3), 999)
