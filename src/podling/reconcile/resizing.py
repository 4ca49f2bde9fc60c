"""Other requests and limits for containers that run (KEP-1287): what differs, and whether a node has it. Pure.

For every kind of node: what the spec wants is not what a node has allotted until the node has said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from podling.api.kinds.core import podresources
from podling.api.kinds.core.container import Container, ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.api.quantity import parse

PENDING: Final = "PodResizePending"
RESIZABLE: Final = ("cpu", "memory")
Amounts = Mapping[str, int]
"""CPU in thousandths, memory in bytes."""
Allotted = Mapping[str, ResourceRequirements]
"""By the container's name."""


class Refusal(msgspec.Struct, frozen=True):
    """`reason` is Infeasible (for ever) or Deferred (until others leave)."""

    reason: str
    message: str


def same(one: ResourceRequirements, other: ResourceRequirements) -> bool:
    """Whether both mean the same amounts of what can be resized."""
    return one == other or not changed(one, other)


def changed(old: ResourceRequirements, new: ResourceRequirements) -> tuple[str, ...]:
    """The names of what differs."""
    return tuple(name for name in RESIZABLE if _of(old, name) != _of(new, name))


def needs_restart(container: Container, old: ResourceRequirements, new: ResourceRequirements) -> bool:
    """Whether the container wants to begin anew when this changes."""
    differing = changed(old, new)
    return any(
        policy.resource_name in differing and policy.restart_policy == "RestartContainer"
        for policy in container.resize_policy
    )


def with_allotted(pod: Pod, allotted: Allotted) -> Pod:
    """The Pod as if its spec said what is allotted."""
    init, regular = (
        tuple(msgspec.structs.replace(c, resources=allotted.get(c.name, c.resources)) for c in containers)
        for containers in (pod.spec.init_containers, pod.spec.containers)
    )
    return msgspec.structs.replace(
        pod, spec=msgspec.structs.replace(pod.spec, init_containers=init, containers=regular)
    )


def asked(pod: Pod) -> dict[str, int]:
    """What the spec requests of a node."""
    return _units(podresources.of_pod(pod.spec, "requests"))


def amounts_of(given: Mapping[str, str]) -> dict[str, int]:
    """Of what can be resized: a node's own amounts."""
    return _units(podresources.amounts(given))


def refusal(wanted: Amounts, others: Iterable[Amounts], has: Amounts) -> Refusal | None:
    """Why the node cannot give what is `wanted`; `others` is what other Pods hold of what it `has`."""
    short = [f"{name}, requested: {wanted[name]}, capacity: {has.get(name, 0)}"
             for name in RESIZABLE if wanted.get(name, 0) > has.get(name, 0)]  # fmt: skip
    if short:
        return Refusal("Infeasible", f"Node didn't have enough capacity: {', '.join(short)}")
    held = tuple(others)
    for name in RESIZABLE:
        used = sum(each.get(name, 0) for each in held)
        if wanted.get(name, 0) > has.get(name, 0) - used:
            amounts = f"requested: {wanted[name]}, used: {used}, capacity: {has.get(name, 0)}"
            return Refusal("Deferred", f"Node didn't have enough resource: {name}, {amounts}")
    return None


def told(pod: Pod) -> str:
    """The allotment as events tell it."""
    containers = [
        {"name": each.name, "resources": {"limits": each.resources.limits, "requests": each.resources.requests}}
        for each in pod.spec.containers
    ]
    return msgspec.json.encode({"containers": containers, "generation": pod.metadata.generation}).decode()


def _units(amounts: podresources.Amounts) -> dict[str, int]:
    given = {name: amounts[name] for name in RESIZABLE if name in amounts}
    return {name: amount.milli if name == "cpu" else amount.value for name, amount in given.items()}


def _of(resources: ResourceRequirements, name: str) -> tuple[object, object]:
    request, limit = resources.requests.get(name), resources.limits.get(name)
    return parse(request) if request else None, parse(limit) if limit else None
