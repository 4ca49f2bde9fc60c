"""Other requests and limits for containers that run (KEP-1287): what changes, whether the node has it, and how.

Pure. Three things are held apart: what the spec wants, what the node has allotted (the spec, unless it does not fit),
and what a run was given, which its labels remember. `podsync` leads the third to the second; `refusal` decides whether
the second follows the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.api.quantity import parse
from podling.kubelet.admission import Amounts, Claim, claim_of
from podling.kubelet.podstate import AnyContainer, Failure, PodState

RESIZABLE = ("cpu", "memory")
Allotted = Mapping[str, ResourceRequirements]
"""By the container's name."""


def wanted(pod: Pod) -> dict[str, ResourceRequirements]:
    """What the spec says."""
    return {container.name: container.resources for container in pod.spec.init_containers + pod.spec.containers}


def remembered(pod: Pod, state: PodState) -> dict[str, ResourceRequirements]:
    """What a newborn kubelet takes for allotted: what the runs were given, else what the spec says."""
    out = wanted(pod)
    for name in out:
        run = state.last(name)
        if run is not None and run.resources is not None:
            out[name] = run.resources
    return out


def with_allotted(pod: Pod, allotted: Allotted) -> Pod:
    """The Pod as if its spec said what is allotted."""
    init, regular = (
        tuple(msgspec.structs.replace(c, resources=allotted.get(c.name, c.resources)) for c in containers)
        for containers in (pod.spec.init_containers, pod.spec.containers)
    )
    return msgspec.structs.replace(
        pod, spec=msgspec.structs.replace(pod.spec, init_containers=init, containers=regular)
    )


def same(one: ResourceRequirements, other: ResourceRequirements) -> bool:
    """Whether both mean the same amounts of what can be resized."""
    return one == other or not changed(one, other)


def changed(old: ResourceRequirements, new: ResourceRequirements) -> tuple[str, ...]:
    """The names of what differs."""
    return tuple(name for name in RESIZABLE if _of(old, name) != _of(new, name))


def _of(resources: ResourceRequirements, name: str) -> tuple[object, object]:
    request, limit = resources.requests.get(name), resources.limits.get(name)
    return parse(request) if request else None, parse(limit) if limit else None


def needs_restart(container: AnyContainer, old: ResourceRequirements, new: ResourceRequirements) -> bool:
    """Whether the container wants to begin anew when this changes."""
    differing = changed(old, new)
    return any(
        policy.resource_name in differing and policy.restart_policy == "RestartContainer"
        for policy in container.resize_policy
    )


def lagging(state: PodState, allotted: Allotted) -> Iterator[str]:
    """The containers whose runs have not been given what is allotted."""
    for name, given in allotted.items():
        run = state.last(name)
        if run is not None and run.state == "running" and run.resources is not None and not same(run.resources, given):
            yield name


def refusal(pod: Pod, others: Iterable[Claim], has: Amounts) -> Failure | None:
    """Why the node cannot give what the spec wants: Infeasible for ever, or Deferred until others leave."""
    asked = claim_of(pod).requests
    short = [f"{name}, requested: {asked[name]}, capacity: {has.get(name, 0)}"
             for name in RESIZABLE if asked.get(name, 0) > has.get(name, 0)]  # fmt: skip
    if short:
        return Failure("Infeasible", f"Node didn't have enough capacity: {', '.join(short)}")
    claims = tuple(others)
    for name in RESIZABLE:
        used = sum(claim.requests.get(name, 0) for claim in claims)
        if asked.get(name, 0) > has.get(name, 0) - used:
            amounts = f"requested: {asked[name]}, used: {used}, capacity: {has.get(name, 0)}"
            return Failure("Deferred", f"Node didn't have enough resource: {name}, {amounts}")
    return None


def told(pod: Pod) -> str:
    """The allotment as events tell it."""
    containers = [
        {"name": each.name, "resources": {"limits": each.resources.limits, "requests": each.resources.requests}}
        for each in pod.spec.containers
    ]
    return msgspec.json.encode({"containers": containers, "generation": pod.metadata.generation}).decode()
