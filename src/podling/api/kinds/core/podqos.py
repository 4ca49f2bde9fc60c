"""The quality of service class of a Pod, from the requests and limits of its containers.

It is fixed at creation and kept in the status (Kubernetes documentation, "Pod Quality of Service Classes").
"""

from __future__ import annotations

from typing import Any, Final

from podling.api import known, quantity

Json = dict[str, Any]
COUNTED: Final = ("cpu", "memory")


def qos_class(spec: Json) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`."""
    owners = [spec] if spec.get("resources") else [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return _class([owner.get("resources") or {} for owner in owners])


@known.by_json(256)
def _class(everything: list[Json]) -> str:
    if not any(_amounts(resources, side) for resources in everything for side in ("requests", "limits")):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(resources) for resources in everything) else "Burstable"


def _amounts(resources: Json, side: str) -> dict[str, quantity.Quantity]:
    found = {name: quantity.of(amount) for name, amount in (resources.get(side) or {}).items() if name in COUNTED}
    return {name: amount for name, amount in found.items() if amount}


def _guaranteed(resources: Json) -> bool:
    requests, limits = _amounts(resources, "requests"), _amounts(resources, "limits")
    return set(limits) == set(COUNTED) and all(requests.get(name, amount) == amount for name, amount in limits.items())
