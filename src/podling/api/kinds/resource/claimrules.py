"""What ResourceClaims and their templates fill in, and what may be wrong with the devices they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json

MOST_REQUESTS: Final = 32
MOST_ALTERNATIVES: Final = 8
_MODES: Final = ("All", "ExactCount")


def defaults(spec: Json) -> None:
    """In place, for the spec of a claim."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        for wanted in _wanted(request):
            fill(wanted, "allocationMode", "ExactCount")
            if wanted["allocationMode"] == "ExactCount":
                fill(wanted, "count", 1)
            for toleration in wanted.get("tolerations") or ():
                fill(toleration, "operator", "Equal")


def _wanted(request: Json) -> Iterator[Json]:
    if request.get("exactly") is not None:
        yield request["exactly"]
    yield from request.get("firstAvailable") or ()


def spec(path: str, given: Json) -> list[Cause]:
    devices, here = given.get("devices") or {}, f"{path}.devices"
    requests = devices.get("requests") or []
    found: list[Cause] = []
    if len(requests) > MOST_REQUESTS:
        found.append(causes.too_many(f"{here}.requests", len(requests), MOST_REQUESTS))
    seen: set[str] = set()
    for index, request in enumerate(requests):
        found += _request(f"{here}.requests[{index}]", request, seen)
    for part in ("constraints", "config"):
        for index, each in enumerate(devices.get(part) or ()):
            for number, name in enumerate(each.get("requests") or ()):
                if name.partition("/")[0] not in seen:
                    text = (
                        "must be the name of a request in the claim or the name of a request and a subrequest "
                        "separated by '/'"
                    )
                    found.append(causes.invalid(f"{here}.{part}[{index}].requests[{number}]", name, text))
    return found


def _request(path: str, request: Json, seen: set[str]) -> list[Cause]:
    name = request.get("name", "")
    found = rules.named(f"{path}.name", name, names.dns_label)
    if name in seen:
        found.append(causes.duplicate(path, name))
    seen.add(name)
    exactly, first = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not first:
        return [*found, causes.required(path, "exactly one of `exactly` or `firstAvailable` is required")]
    if exactly is not None and first:
        text = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        return [*found, causes.invalid(path, None, text)]
    if exactly is not None:
        return found + _device(f"{path}.exactly", exactly)
    if len(first) > MOST_ALTERNATIVES:
        found.append(causes.too_many(f"{path}.firstAvailable", len(first), MOST_ALTERNATIVES))
    for index, each in enumerate(first):
        here = f"{path}.firstAvailable[{index}]"
        found += rules.named(f"{here}.name", each.get("name", ""), names.dns_label) + _device(here, each)
    return found


def _device(path: str, wanted: Json) -> list[Cause]:
    found = rules.named(f"{path}.deviceClassName", wanted.get("deviceClassName", ""), names.dns_subdomain)
    mode, count = wanted.get("allocationMode", ""), wanted.get("count", 0)
    if mode == "All" and count:
        text = f"must not be specified when allocationMode is '{mode}'"
        found.append(causes.invalid(f"{path}.count", count, text))
    elif mode == "ExactCount" and count <= 0:
        found.append(causes.invalid(f"{path}.count", count, "must be greater than zero"))
    return found + rules.one_of(f"{path}.allocationMode", mode, _MODES)
