"""LimitRange.

Bounds and defaults for requests and limits in a namespace.
"""

from __future__ import annotations

from podling.api.kinds.cells import at
from podling.api.kinds.kind import Json, Kind, Strategy


def defaults(obj: Json) -> None:
    """For containers: default limits from the maximum, default requests from those or the minimum."""
    for item in at(obj, "spec.limits") or ():
        if item.get("type") != "Container":
            continue
        limits, requests = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
        for name, amount in (item.get("max") or {}).items():
            limits.setdefault(name, amount)
        for source in (limits, item.get("min") or {}):
            for name, amount in source.items():
                requests.setdefault(name, amount)


KIND = Kind("", "v1", "LimitRange", defaults=defaults, strategy=Strategy(create_on_update=True))
