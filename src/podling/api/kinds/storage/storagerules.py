"""What may be wrong with storage classes, attributes classes and what drivers say of themselves."""

from __future__ import annotations

from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.kind import Json

LONGEST_DRIVER: Final = 63
LONGEST_NODE_ID: Final = 192
MOST_PARAMETERS: Final = 512
PARAMETERS_LIMIT: Final = 256 * 1024


def driver_name(path: str, name: str) -> list[Cause]:
    """The name of a CSI driver: a subdomain in any case, not longer than a label."""
    if not name:
        return [causes.required(path)]
    found = [causes.too_long(path, LONGEST_DRIVER)] if len(name) > LONGEST_DRIVER else []
    return found + rules.all_invalid(path, name, names.dns_subdomain(name.lower()))


def parameters(path: str, given: Json, *, allow_empty: bool) -> list[Cause]:
    found: list[Cause] = []
    if not given and not allow_empty:
        return [causes.required(path, "must contain at least one key/value pair")]
    if len(given) > MOST_PARAMETERS:
        return [causes.too_many(path, len(given), MOST_PARAMETERS)]
    if "" in given:
        found.append(causes.invalid(path, "", "field can not be empty."))
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > PARAMETERS_LIMIT:
        found.append(causes.too_long(path, PARAMETERS_LIMIT))
    return found


def topologies(path: str, terms: list[Json]) -> list[Cause]:
    """allowedTopologies: terms that differ, of labels with values that differ."""
    found: list[Cause] = []
    for index, term in enumerate(terms):
        here = f"{path}[{index}]"
        if term in terms[:index]:
            found.append(causes.duplicate(f"{here}.matchLabelExpressions", ""))
        seen: set[str] = set()
        for number, each in enumerate(term.get("matchLabelExpressions") or ()):
            there, key = f"{here}.matchLabelExpressions[{number}]", each.get("key", "")
            values = each.get("values") or []
            if not values:
                found.append(causes.required(f"{there}.values"))
            found += [
                causes.duplicate(f"{there}.values[{at}]", value)
                for at, value in enumerate(values)
                if value in values[:at]
            ]
            found += rules.all_invalid(f"{there}.key", key, names.qualified_name(key))
            if key in seen:
                found.append(causes.duplicate(f"{there}.key", key))
            seen.add(key)
    return found


def csi_drivers(path: str, drivers: list[Json]) -> list[Cause]:
    """What a CSINode lists."""
    found: list[Cause] = []
    seen: set[str] = set()
    for index, driver in enumerate(drivers):
        here, name, node_id = f"{path}[{index}]", driver.get("name", ""), driver.get("nodeID", "")
        found += driver_name(f"{here}.name", name)
        if not node_id:
            found.append(causes.required(f"{here}.nodeID"))
        elif len(node_id) > LONGEST_NODE_ID:
            text = f"must be {LONGEST_NODE_ID} characters or less"
            found.append(causes.invalid(f"{here}.nodeID", node_id, text))
        found += rules.not_negative(f"{here}.allocatable.count", (driver.get("allocatable") or {}).get("count"))
        found += _topology_keys(f"{here}.topologyKeys", driver.get("topologyKeys") or [])
        if name in seen:
            found.append(causes.duplicate(f"{here}.name", name))
        seen.add(name)
    return found


def _topology_keys(path: str, keys: list[str]) -> list[Cause]:
    found: list[Cause] = []
    for index, key in enumerate(keys):
        if not key:
            found.append(causes.required(path))
        if key in keys[:index]:
            found.append(causes.duplicate(path, key))
        found += rules.all_invalid(f"{path}[{index}]", key, names.qualified_name(key)) if key else []
    return found
