"""Other requests and limits for a simulated Pod that runs: what its node has allotted, and what that leaves. Pure.

Nothing but the status remembers what is allotted: what it tells of a container's resources.
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.node import Node
from podling.api.kinds.core.pod import Pod
from podling.reconcile import pods, resizing
from podling.reconcile.resizing import Refusal, same


def allotted(pod: Pod) -> dict[str, ResourceRequirements]:
    """By the container's name; of whom the status tells nothing has what the spec says."""
    told = pod.status.init_container_statuses + pod.status.container_statuses
    given = {each.name: each.resources for each in told if each.resources is not None}
    return {each.name: given.get(each.name, each.resources) for each in pod.spec.init_containers + pod.spec.containers}


def differs(pod: Pod) -> bool:
    """Whether the spec wants something else."""
    has = allotted(pod)
    return any(not same(has[each.name], each.resources) for each in pod.spec.init_containers + pod.spec.containers)


def begins_anew(pod: Pod) -> bool:
    """Whether a container wants to be restarted to be what the spec says: for its resources or for another image."""
    has = allotted(pod)
    images = {each.name: each.image for each in pod.status.container_statuses}
    return any(
        images.get(each.name, each.image) != each.image or resizing.needs_restart(each, has[each.name], each.resources)
        for each in pod.spec.containers
    )


def refusal(pod: Pod, others: Iterable[Pod], node: Node) -> Refusal | None:
    """Why the node cannot give what the spec wants; `others` are the other Pods on it."""
    held = (
        resizing.asked(resizing.with_allotted(each, allotted(each))) for each in others if not pods.is_finished(each)
    )
    return resizing.refusal(resizing.asked(pod), held, resizing.amounts_of(node.status.allocatable))
