"""What may be wrong with requests and limits."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names, quantity
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]

_CONTAINER: Final = ("cpu", "memory", "ephemeral-storage")
_STANDARD: Final = (
    *_CONTAINER,
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
)


def overcommits(name: str) -> bool:
    """Only cpu, memory and the like may be promised more often than they exist."""
    native = "/" not in name or "kubernetes.io/" in name
    return native and not name.startswith("hugepages-")


def resources(path: str, value: Json | None) -> list[Cause]:
    """ResourceRequirements of a container or Pod."""
    limits, requests = (value or {}).get("limits") or {}, (value or {}).get("requests") or {}
    found: list[Cause] = []
    for name, text in limits.items():
        found += _amount(f"{path}.limits[{name}]", name, text)
    for name, text in requests.items():
        wrong = _amount(f"{path}.requests[{name}]", name, text)
        found += wrong or _within_limit(path, name, text, limits)
    return found


def named_amount(path: str, name: str, text: Any) -> list[Cause]:
    """A resource of a container and how much of it."""
    return _amount(path, name, text)


def _amount(path: str, name: str, text: Any) -> list[Cause]:
    return [*_name(path, name), *amount(path, text, whole=not overcommits(name))]


def amount(path: str, text: Any, *, whole: bool = False) -> list[Cause]:
    """A quantity that is not negative; `whole`: without a fraction."""
    try:
        found = quantity.of(text)
    except quantity.BadQuantity as error:
        return [causes.invalid(path, text, str(error))]
    if found < quantity.ZERO:
        return [causes.invalid(path, str(text), "must be greater than or equal to 0")]
    if whole and found.nano % quantity.NANO:
        return [causes.invalid(path, str(text), "must be an integer")]
    return []


def _name(path: str, name: str) -> list[Cause]:
    if wrong := names.qualified_name(name):
        return rules.all_invalid(path, name, wrong)
    if "/" in name or name in _CONTAINER or name.startswith("hugepages-"):
        return []
    text = "must be a standard resource for containers"
    first = (
        [] if name in _STANDARD else [causes.invalid(path, name, "must be a standard resource type or fully qualified")]
    )
    return [*first, causes.invalid(path, name, text)]


def _within_limit(path: str, name: str, text: Any, limits: Json) -> list[Cause]:
    if name not in limits:
        if overcommits(name):
            return []
        return [causes.required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
    try:
        asked, limit = quantity.of(text), quantity.of(limits[name])
    except quantity.BadQuantity:
        return []  # the limit has been reported
    if asked != limit and not overcommits(name):
        return [causes.invalid(f"{path}.requests", str(text), f"must be equal to {name} limit of {limits[name]}")]
    if asked > limit:
        told = f"must be less than or equal to {name} limit of {limits[name]}"
        return [causes.invalid(f"{path}.requests", str(text), told)]
    return []
