"""What LimitRanges do to Pods and claims: defaults for containers that say nothing, bounds for all that is said.

Sentences are upstream's, for they are what users of a shared namespace read (Kubernetes documentation, "Limit Ranges").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podling.api import quantity
from podling.api.kinds.core import podresources
from podling.api.kinds.core.podresources import Amounts, amounts
from podling.api.kinds.core.podspec import PodSpec
from podling.api.quantity import ZERO, Quantity

Json = dict[str, Any]
ANNOTATION = "kubernetes.io/limit-ranger"
_CONTAINERS = (("containers", "container"), ("initContainers", "init container"))


def fill(pod: Json, limit_range: Json) -> None:
    """Gives containers the defaults of a LimitRange where they are silent, and notes it on the Pod."""
    defaults = [item for item in _items(limit_range) if item.get("type") == "Container"]
    notes = [
        note
        for field, title in _CONTAINERS
        for container in (pod.get("spec") or {}).get(field) or ()
        for note in _fill(container, title, defaults)
    ]
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill(container: Json, title: str, defaults: list[Json]) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for side, field, word in (("requests", "defaultRequest", "request"), ("limits", "default", "limit")):
        wanted = {name: amount for item in defaults for name, amount in (item.get(field) or {}).items()}
        silent = sorted(set(wanted) - set(resources.get(side) or {}))
        if silent:
            resources[side] = {**(resources.get(side) or {}), **{name: wanted[name] for name in silent}}
            yield f"{', '.join(silent)} {word} for {title} {container.get('name', '')}"


def pod_errors(spec: PodSpec, limit_range: Json) -> list[str]:
    """What of a Pod a LimitRange does not allow."""
    found: list[str] = []
    for item in _items(limit_range):
        if item.get("type") == "Container":
            for container in (*spec.containers, *spec.init_containers):
                given = container.resources
                found += _bounds("Container", item, amounts(given.requests), amounts(given.limits))
        elif item.get("type") == "Pod":
            whole = podresources.of_pod(spec, "requests"), podresources.of_pod(spec, "limits")
            found += _bounds("Pod", item, *whole)
    return list(dict.fromkeys(found))


def claim_errors(requests: Mapping[str, str], limit_range: Json) -> list[str]:
    """What of a claim's requests it does not allow; claims have no limits."""
    asked, kind = amounts(requests), "PersistentVolumeClaim"
    found: list[str] = []
    for item in _items(limit_range):
        if item.get("type") != kind:
            continue
        found += [error for name, least in _bound(item, "min") if (error := _least(kind, name, least, asked, {}))]
        for name, most in _bound(item, "max"):
            if name not in asked:
                found.append(f"maximum {name} usage per {kind} is {most}.  No request is specified")
            elif asked[name] > most:
                found.append(f"maximum {name} usage per {kind} is {most}, but request is {asked[name]}")
    return found


def _bounds(kind: str, item: Json, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in _bound(item, "min"):
        if error := _least(kind, name, least, requests, limits):
            yield error
    for name, most in _bound(item, "max"):
        if error := _most(kind, name, most, requests, limits):
            yield error
    for name, ratio in _bound(item, "maxLimitRequestRatio"):
        if error := _ratio(kind, name, ratio, requests, limits):
            yield error


def _least(kind: str, name: str, least: Quantity, requests: Amounts, limits: Amounts) -> str:
    said = f"minimum {name} usage per {kind} is {least}"
    if name not in requests:
        return f"{said}.  No request is specified"
    if requests[name] < least:
        return f"{said}, but request is {requests[name]}"
    if name in limits and limits[name] < least:
        return f"{said}, but limit is {limits[name]}"
    return ""


def _most(kind: str, name: str, most: Quantity, requests: Amounts, limits: Amounts) -> str:
    said = f"maximum {name} usage per {kind} is {most}"
    if name not in limits:
        return f"{said}.  No limit is specified"
    if limits[name] > most:
        return f"{said}, but limit is {limits[name]}"
    if name in requests and requests[name] > most:
        return f"{said}, but request is {requests[name]}"
    return ""


def _ratio(kind: str, name: str, most: Quantity, requests: Amounts, limits: Amounts) -> str:
    said = f"{name} max limit to request ratio per {kind} is {most}"
    request, limit = requests.get(name, ZERO), limits.get(name, ZERO)
    if not request:
        return f"{said}, but no request is specified or request is 0"
    if not limit:
        return f"{said}, but no limit is specified or limit is 0"
    if limit.nano * quantity.NANO > most.nano * request.nano:
        return f"{said}, but provided ratio is {limit.nano / request.nano:f}"
    return ""


def _items(limit_range: Json) -> list[Json]:
    return (limit_range.get("spec") or {}).get("limits") or []


def _bound(item: Json, field: str) -> list[tuple[str, Quantity]]:
    return [(name, quantity.of(amount)) for name, amount in sorted((item.get(field) or {}).items())]
