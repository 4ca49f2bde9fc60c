"""LimitRange.

Bounds and defaults for requests and limits in a namespace.
"""

from __future__ import annotations

from podling.api import quantity
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import at
from podling.api.kinds.core import resourcerules
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


# (smaller, larger, how messages name them)
_ORDERED = (
    ("min", "max", "min value", "max value"),
    ("min", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "max", "default request value", "max value"),
    ("defaultRequest", "default", "default request value", "default limit value"),
    ("default", "max", "default value", "max value"),
)


def validate(obj: Json) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, item in enumerate(at(obj, "spec.limits") or ()):
        here, kind = f"spec.limits[{index}]", item.get("type", "")
        if kind in seen:
            found.append(causes.duplicate(f"{here}.type", kind))
        seen.add(kind)
        if kind == "Pod":
            text = "may not be specified when `type` is 'Pod'"
            found += [causes.forbidden(f"{here}.{n}", text) for n in ("default", "defaultRequest") if item.get(n)]
        wrong = _amounts(here, item)
        found += wrong or _order(here, item)
    return found


def _amounts(path: str, item: Json) -> list[Cause]:
    found: list[Cause] = []
    for field in ("max", "min", "default", "defaultRequest"):
        for name, amount in (item.get(field) or {}).items():
            found += resourcerules.amount(f"{path}.{field}[{name}]", amount)
    return found


def _order(path: str, item: Json) -> list[Cause]:
    found: list[Cause] = []
    for small, large, small_name, large_name in _ORDERED:
        bounds = item.get(large) or {}
        for name, amount in (item.get(small) or {}).items():
            if name in bounds and quantity.of(amount) > quantity.of(bounds[name]):
                text = f"{small_name} {amount} is greater than {large_name} {bounds[name]}"
                found.append(causes.invalid(f"{path}.{small}[{name}]", str(amount), text))
    return found


KIND = Kind("", "v1", "LimitRange", defaults=defaults, validate=validate, strategy=Strategy(create_on_update=True))
