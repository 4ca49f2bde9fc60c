"""What each container has to say where a quota limits it: without requests or limits nothing could be counted.

(Kubernetes documentation, "Resource Quotas", compute resource quota.)
"""

from __future__ import annotations

from collections.abc import Collection

from podling.api.kinds.core.podresources import amounts
from podling.api.kinds.core.podspec import PodSpec
from podling.api.quota.usage import of_requirements

_DEMANDED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def missing(spec: PodSpec, limited: Collection[str]) -> str:
    """`must specify limits.cpu for: main; …`, or nothing."""
    wanted = [name for name in _DEMANDED if name in limited]
    whole = spec.resources
    said = set(of_requirements(amounts(whole.requests), amounts(whole.limits))) if whole is not None else set()
    silent: dict[str, list[str]] = {}
    for container in (*spec.containers, *spec.init_containers):
        given = of_requirements(amounts(container.resources.requests), amounts(container.resources.limits))
        for name in wanted:
            if name not in given and name not in said:
                silent.setdefault(name, []).append(container.name)
    if not silent:
        return ""
    return "must specify " + "; ".join(f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent))
