"""StatefulSets: Pods begin in order and go one at a time; no ordinal runs twice (`Watchman.running` looks at that)."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.rules.rule import LAG, Json, Rules, born, namespace_goes
from podling.testing.exploration.world import World, condition, terminating


def ordinals_begin_in_order(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """An ordered StatefulSet begins a Pod when all before it are ready."""
    if after is None or not born(before, after) or (owner := _ordered(world, after)) is None:
        return
    namespace, (name, _, ordinal) = after["metadata"]["namespace"], after["metadata"]["name"].rpartition("-")
    for number in range((owner["spec"].get("ordinals") or {}).get("start", 0), int(ordinal)):
        if not world.was_ready(namespace, f"{name}-{number}", now - LAG):
            yield f"{after['metadata']['name']} was made before {name}-{number} was ready"


def one_ordinal_at_a_time(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """An ordered StatefulSet takes a Pod away when all that stay are ready, and when it shrinks the highest first."""
    if before is None or after is None or terminating(before) or not terminating(after):
        return
    owner = _ordered(world, after)
    if owner is None or terminating(owner) or condition(after, "DisruptionTarget") or namespace_goes(world, after):
        return
    mine, wanted = _ordinal(owner, after), world.wanted(owner["metadata"]["uid"], now - LAG)
    for pod in world.owned("core/pods", owner["metadata"]["uid"]):
        namespace, name, ordinal = pod["metadata"]["namespace"], pod["metadata"]["name"], _ordinal(owner, pod)
        if mine >= max(wanted) and ordinal > mine:
            yield f"{after['metadata']['name']} was taken away before {name}"
        if ordinal != mine and ordinal < min(wanted) and not world.was_ready(namespace, name, now - LAG):
            yield f"{after['metadata']['name']} was taken away while {name} was not ready"


def _ordinal(owner: Json, pod: Json) -> int:
    """Its place, counted from the first ordinal."""
    start: int = (owner["spec"].get("ordinals") or {}).get("start", 0)
    return int(pod["metadata"]["name"].rpartition("-")[2]) - start


def _ordered(world: World, pod: Json) -> Json | None:
    """The StatefulSet of a Pod, if it is one that keeps to the order."""
    owner = world.owner(pod, "apps/statefulsets")
    ordered = owner is not None and owner["spec"].get("podManagementPolicy") == "OrderedReady"
    return owner if ordered else None


RULES: Rules = {"core/pods": (ordinals_begin_in_order, one_ordinal_at_a_time)}
