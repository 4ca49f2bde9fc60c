"""Cells of what is used, as `kubectl get pods.metrics.k8s.io` shows it: amounts in the text they were given in."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.kind import Cell, Json
from podling.api.quantity import Quantity, parse


def of_node(resource: str) -> Cell:
    return lambda obj, now: str((obj.get("usage") or {}).get(resource, "0"))


def of_containers(resource: str) -> Cell:
    return lambda obj, now: total(
        str((each.get("usage") or {}).get(resource, "0")) for each in obj.get("containers") or ()
    )


def window(obj: Json, now: float) -> str:
    return str(obj.get("window", ""))


def total(amounts: Iterable[str]) -> str:
    return str(sum(map(parse, amounts), Quantity(0)))
