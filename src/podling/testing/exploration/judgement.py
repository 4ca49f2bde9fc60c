"""What must stand when nothing fails any more and everybody had time: the end that every history has to come to.

What users were told is kept, nobody is left behind, nobody waits in vain; how each kind has to look is in `ends.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podling.testing.exploration import ends
from podling.testing.exploration.rules.keeping import OWNERS
from podling.testing.exploration.rules.placing import room_on
from podling.testing.exploration.world import (
    ENDED,
    World,
    active,
    controller_of,
    cpu,
    terminating,
    tolerates,
    unplaced,
)

Json = dict[str, Any]
Name = tuple[str, str, str]
OWNED = (
    "apps/controllerrevisions",
    "apps/replicasets",
    "batch/jobs",
    "core/configmaps",
    "core/persistentvolumeclaims",
    "core/pods",
)
LEAVING = (*OWNERS.values(), "core/namespaces", "core/persistentvolumeclaims")
"""What takes along what belongs to it, or has to wait for it."""
PATIENCE = 2100.0
"""Virtual seconds of calm in which everything has to be as it must: who failed often looks again after a thousand, and
may so make room for another who does."""
MOST_PATIENCE = 6 * PATIENCE


class Patience:
    """How long to wait for the end. Under a quota a rollout may take such a pause for each of its Pods, as upstream's
    does: the old one is still counted when the next new one is asked for. So there each step begins the wait anew."""

    def __init__(self, now: float) -> None:
        self._until, self._at_most = now + PATIENCE, now + MOST_PATIENCE
        self._left: list[str] = []

    def is_over(self, now: float, left: list[str], *, quota: bool) -> bool:
        """`left` is what is still to be done, of which a step is told by its difference from the last time."""
        if quota and left != self._left:
            self._until = min(now + PATIENCE, self._at_most)
        self._left = left
        return now > self._until


def unfinished(world: World, acknowledged: Mapping[Name, Json | None]) -> list[str]:
    """Everything that is not as it has to be. `acknowledged`: (resource, namespace, name) → the spec that the last
    answered write of its user left, None where it was deleted."""
    out = [
        *_kept(world, acknowledged),
        *_no_orphans(world),
        *_nobody_goes_for_ever(world),
        *_nobody_waits_in_vain(world),
    ]
    for resource, check in ends.CHECKS.items():
        for obj in world.all(resource):
            if not terminating(obj):
                out += check(world, obj)
    return out


def _kept(world: World, acknowledged: Mapping[Name, Json | None]) -> Iterator[str]:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in world.all("autoscaling/horizontalpodautoscalers")}
    for (resource, namespace, name), spec in sorted(acknowledged.items()):
        found = world.get(resource, namespace, name)
        if spec is None:
            if found is not None:
                yield f"{resource} {name} was deleted and is still there"
        elif found is None:
            yield f"{resource} {name} was acknowledged and is not there"
        else:
            for field, value in spec.items():
                there = found.get("spec", {}).get(field)
                if value and not _within(value, there) and not (field == "replicas" and name in scaled):
                    yield f"{resource} {name}: {field} was acknowledged as {value}, it is {there}"


def _within(wanted: Any, found: Any) -> bool:
    """Whether everything that was asked for is there; defaults may have joined it."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_within(value, found.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_within, wanted, found))
    return bool(wanted == found)


def _no_orphans(world: World) -> Iterator[str]:
    """Nobody whose owner is gone is left."""
    for resource in OWNED:
        for obj in world.all(resource):
            owner = controller_of(obj)
            if owner and world.owner(obj, OWNERS[owner["kind"]]) is None:
                yield f"{obj['kind']} {obj['metadata']['name']} is an orphan of {owner['kind']} {owner['name']}"


def _nobody_goes_for_ever(world: World) -> Iterator[str]:
    for resource in LEAVING:
        for obj in world.all(resource):
            if terminating(obj):
                yield f"{obj['kind']} {obj['metadata']['name']} is still being deleted"


def _nobody_waits_in_vain(world: World) -> Iterator[str]:
    """A Pod without a node has none that would take it, not even by sending away what matters less."""
    for pod in world.all("core/pods"):
        if not pod["spec"].get("nodeName") and active(pod) and not unplaced(pod):
            yield f"Pod {pod['metadata']['name']} was never looked at by the scheduler"
        if not unplaced(pod) or not active(pod) or _needs_a_claim(pod):
            continue
        for node in world.all("core/nodes"):
            name = node["metadata"]["name"]
            if all(tolerates(pod, taint) for taint in world.repelling(name)) and _could_take(world, name, pod):
                yield f"Pod {pod['metadata']['name']} waits for a node, and {name} could take it"


def _needs_a_claim(pod: Json) -> bool:
    return any("persistentVolumeClaim" in each or "ephemeral" in each for each in pod["spec"].get("volumes") or ())


def _could_take(world: World, node: str, pod: Json) -> bool:
    selected = pod["spec"].get("affinity")
    if selected and node not in str(selected):
        return False
    priority = pod["spec"].get("priority", 0)
    lesser = [
        each
        for each in world.all("core/pods")
        if each["spec"].get("nodeName") == node
        and each["spec"].get("priority", 0) < priority
        and each["status"].get("phase") not in ENDED
    ]
    return room_on(world, node) + sum(map(cpu, lesser)) >= cpu(pod)
