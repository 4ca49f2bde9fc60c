"""Taints of devices: which ones a rule gives, and which ones a request tolerates.

For the scheduler and for who evicts. As for nodes, with the difference that an operator is always written (Kubernetes
documentation, "Dynamic Resource Allocation", device taints and tolerations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
DeviceId = tuple[str, str, str]
"""Driver, pool, name."""


def tolerates(toleration: Json, taint: Json) -> bool:
    """A toleration without a key tolerates all keys, one without an effect all effects."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def by_rules(id: DeviceId, rules: Iterable[Json]) -> list[Json]:
    """The taints that the specs of DeviceTaintRules give a device; a rule without a selector gives none."""
    return [rule["taint"] for rule in rules if rule.get("deviceSelector") is not None and _selects(rule, id)]


def _selects(rule: Json, id: DeviceId) -> bool:
    wanted = (rule["deviceSelector"].get(name) for name in ("driver", "pool", "device"))
    return all(each in (None, "", actual) for each, actual in zip(wanted, id, strict=True))
