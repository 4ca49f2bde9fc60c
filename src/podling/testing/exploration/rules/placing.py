"""The scheduler: nobody is bound where there is no room or where a taint keeps Pods away, and who goes matters less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podling.testing.exploration.rules.rule import FRESH, LAG, Json, Rules
from podling.testing.exploration.world import ENDED, PREEMPTED, World, condition, cpu, tolerates

CPU: Final = 8.0


def nobody_is_bound_to_a_full_node(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if after is None or not (node := _bound_now(before, after)):
        return
    if (taken := CPU - room_on(world, node)) > CPU:
        yield f"{after['metadata']['name']} was bound to {node}, where {taken:g} of {CPU:g} cores are taken"


def nobody_is_bound_to_a_tainted_node(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if after is None or not (name := _bound_now(before, after)):
        return
    for taint in world.repelling(name, now - LAG):
        if not tolerates(after, taint):
            yield f"{after['metadata']['name']} was bound to {name}, which has the taint {taint['key']}"


def nobody_is_bound_twice(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
        return
    if (node := before["spec"].get("nodeName")) and node != after["spec"].get("nodeName"):
        yield f"{after['metadata']['name']} was moved from {node} to {after['spec'].get('nodeName')}"


def who_is_preempted_matters_less(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if after is None or condition(after, "DisruptionTarget").get("reason") != PREEMPTED:
        return
    if before is not None and condition(before, "DisruptionTarget").get("reason") == PREEMPTED:
        return
    if not world.outranked(after, now - FRESH):
        yield f"{after['metadata']['name']} was preempted, and nothing that matters more is there"


def room_on(world: World, node: str) -> float:
    """The cores that are left on a node."""
    there = [pod for pod in world.all("core/pods") if pod["spec"].get("nodeName") == node]
    return CPU - sum(cpu(pod) for pod in there if pod.get("status", {}).get("phase") not in ENDED)


def _bound_now(before: Json | None, after: Json) -> str:
    was = before is not None and before["spec"].get("nodeName")
    return "" if was else str(after["spec"].get("nodeName") or "")


RULES: Rules = {
    "core/pods": (
        nobody_is_bound_to_a_full_node,
        nobody_is_bound_to_a_tainted_node,
        nobody_is_bound_twice,
        who_is_preempted_matters_less,
    )
}
