"""Controllers together with a kubelet of three lines: bound Pods get ready, deleted ones go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from podling.client.resources import PODS
from podling.env import rfc3339
from podling.reconcile.controller import Controller
from tests.controllers.world import Unsettled, World, ready

Json = dict[str, Any]
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}


def template(image: str = "x", **spec: Any) -> Json:
    return {**TEMPLATE, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def kubelet(world: World) -> bool:
    """Every Pod that is no more than Pending runs and is ready; whether there was one."""
    fresh = [each for each in world.all(PODS) if each.get("status", {}).get("phase", "Pending") == "Pending"]
    for each in fresh:
        each["status"] = {"phase": "Running", "conditions": ready(since=rfc3339(world.now))}
    return bool(fresh)


def settle(
    world: World,
    controllers: Sequence[Controller],
    *,
    nodes: Callable[[World], bool] = kubelet,
    check: Callable[[], None] = lambda: None,
    rounds: int = 100,
) -> None:
    """One reconcile of every object at a time, then the nodes, until nothing changes; `check` after each step."""
    for _ in range(rounds):
        before = len(world.done)
        for controller in controllers:
            assert controller.resource is not None
            for body in world.all(controller.resource):
                world.reconcile(controller, controller.resource, body["metadata"])
                check()
        if not nodes(world) and len(world.done) == before:
            return
        check()
    raise Unsettled(f"still acting after {rounds} rounds: {world.done[-5:]}")
