"""What a Pod as a whole asks for and may use: the sums over its containers, exactly.

Containers and sidecars add up; other init containers run one after the other, so the largest of them counts (a sidecar
that was started before runs beside them); what is said of the Pod as a whole replaces the sum, and the overhead of its
runtime comes on top (the documentation's "Sidecar containers", resource sharing).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from podling.api import quantity
from podling.api.kinds.core.container import Container
from podling.api.kinds.core.podspec import PodSpec
from podling.api.quantity import Quantity

Amounts = dict[str, Quantity]
Side = Literal["requests", "limits"]


def of_pod(spec: PodSpec, side: Side) -> Amounts:
    """Requests or limits by resource name."""
    total: Amounts = {}
    for container in spec.containers:
        _add(total, _of(container, side))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.init_containers:
        asked = _of(container, side)
        if container.restart_policy == "Always":
            _add(total, asked)
            _add(sidecars, asked)
            _raise_to(peak, sidecars)
        else:
            _add(asked, sidecars)
            _raise_to(peak, asked)
    _raise_to(total, peak)
    if spec.resources is not None:
        total |= amounts(getattr(spec.resources, side))
    for name, overhead in amounts(spec.overhead).items():
        # An overhead makes a limit larger, and none where there is none.
        if side == "requests" or name in total:
            total[name] = total.get(name, quantity.ZERO) + overhead
    return total


def amounts(given: Mapping[str, str]) -> Amounts:
    return {name: quantity.parse(text) for name, text in given.items()}


def _of(container: Container, side: Side) -> Amounts:
    resources = container.resources
    return amounts(resources.requests if side == "requests" else resources.limits)


def _add(total: Amounts, more: Mapping[str, Quantity]) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: Amounts, least: Mapping[str, Quantity]) -> None:
    for name, amount in least.items():
        if name not in total or total[name] < amount:
            total[name] = amount
