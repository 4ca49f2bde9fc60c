"""What namespaces and budgets allow: quotas are not exceeded, evictions leave what is needed."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.rules.rule import LAG, Json, Rules, born
from podling.testing.exploration.world import EVICTED, World, active, condition, labelled, ready, terminating


def quota_is_never_exceeded(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """Pods on their way out are left aside: those whose time is over, on a node that is lost, count no more."""
    if after is None or not born(before, after):
        return
    namespace = after["metadata"]["namespace"]
    for quota in world.all("core/resourcequotas"):
        if quota["metadata"]["namespace"] != namespace:
            continue
        hard, have = int(quota["spec"]["hard"]["pods"]), len(counted(world, namespace))
        if have > hard and _settled(quota, hard):
            yield f"{have} Pods where the quota allows {hard}"


def counted(world: World, namespace: str) -> list[Json]:
    """The Pods that a quota counts."""
    return [pod for pod in world.all("core/pods") if active(pod) and pod["metadata"]["namespace"] == namespace]


def _settled(quota: Json, hard: int) -> bool:
    """Its controller has counted: a quota that is made when there are more Pods already is exceeded from birth."""
    status = quota.get("status") or {}
    return int(status.get("used", {}).get("pods", hard + 1)) <= hard


def evictions_leave_what_the_budget_needs(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if before is None or after is None or not ready(before) or not terminating(after):
        return
    if condition(after, "DisruptionTarget").get("reason") != EVICTED:
        return
    for budget in world.all("policy/poddisruptionbudgets"):
        selector = budget["spec"]["selector"]["matchLabels"]
        if not labelled(after, selector) or any(loss.how != "evicted" for loss in world.losses(selector, now - LAG)):
            continue  # what went by other ways is not yet told to the budget
        least = budget["spec"].get("minAvailable", 0)
        left = len([pod for pod in world.all("core/pods") if labelled(pod, selector) and ready(pod)])
        if left < least:
            yield (
                f"{after['metadata']['name']} was evicted, {left} are left ready of {least} "
                f"that the budget {budget['metadata']['name']} needs"
            )


RULES: Rules = {"core/pods": (quota_is_never_exceeded, evictions_leave_what_the_budget_needs)}
