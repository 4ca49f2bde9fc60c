"""Claims that grow are told who has to make their volume larger."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from podling.controllers import volumeexpand
from tests.controllers.world import World

Json = dict[str, Any]
TOLD = [("ExternalExpanding", "waiting for an external controller to expand this PVC")]


def world_with(asked: str, held: str = "1Gi", phase: str = "Bound", uid: str = "") -> World:
    world = World()
    spec = {"resources": {"requests": {"storage": asked}}, "volumeName": "v"}
    status = {"phase": phase, "capacity": {"storage": held}}
    claim = world.add(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "c"}, "spec": spec, "status": status})
    reference = {"namespace": "default", "name": "c", "uid": uid or claim["metadata"]["uid"]}
    world.add(PERSISTENTVOLUMES, {"metadata": {"name": "v"}, "spec": {"claimRef": reference}})
    return world


def test_a_claim_that_asks_for_more_says_once_for_each_size_what_it_waits_for() -> None:
    world = world_with("2Gi")
    for _ in range(2):
        world.run(volumeexpand.CONTROLLER)
    assert world.told == TOLD
    world.get(PERSISTENTVOLUMECLAIMS, "c")["spec"]["resources"]["requests"]["storage"] = "3Gi"
    world.run(volumeexpand.CONTROLLER)
    assert world.told == TOLD * 2


@pytest.mark.parametrize(
    "world",
    [world_with("1024Mi"), world_with("1Gi", "2Gi"), world_with("2Gi", phase="Lost"), world_with("2Gi", uid="other")],
    ids=["as much", "less", "lost", "of another"],
)
def test_others_are_told_nothing(world: World) -> None:
    world.run(volumeexpand.CONTROLLER)
    assert world.told == []
