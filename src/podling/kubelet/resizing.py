"""What a container is allotted while the spec says something else, and what its run was given.

Pure. Three things are held apart: what the spec wants, what the node has allotted (the spec, unless it does not fit),
and what a run was given, which its labels remember. `podsync` leads the third to the second; `reconcile.resizing`
decides whether the second follows the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.kubelet.podstate import PodState
from podling.reconcile.resizing import Allotted, same


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


def lagging(state: PodState, allotted: Allotted) -> Iterator[str]:
    """The containers whose runs have not been given what is allotted."""
    for name, given in allotted.items():
        run = state.last(name)
        if run is not None and run.state == "running" and run.resources is not None and not same(run.resources, given):
            yield name
