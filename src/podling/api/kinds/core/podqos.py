"""The quality of service class of a Pod, from the requests and limits of its containers.

It is fixed at creation and kept in the status (Kubernetes documentation, "Pod Quality of Service Classes").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import orjson

from podling.api import quantity

Json = dict[str, Any]
COUNTED: Final = ("cpu", "memory")
_REMEMBERED_SIZE: Final = 4096


def qos_class(spec: Json) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`."""
    owners = [spec] if spec.get("resources") else [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    everything = [owner.get("resources") or {} for owner in owners]
    data = orjson.dumps(everything)
    return _class_of(data) if len(data) <= _REMEMBERED_SIZE else _class(everything)


@lru_cache(maxsize=256)
def _class_of(data: bytes) -> str:
    """Pods of one template have one class, and it is asked for several times while one is made."""
    return _class(orjson.loads(data))


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
