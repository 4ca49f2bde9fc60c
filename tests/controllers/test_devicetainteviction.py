"""Pods leave devices that must not be used any more."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import DEVICETAINTRULES, PODS, RESOURCECLAIMS, RESOURCESLICES
from podling.controllers import devicetainteviction
from podling.env import rfc3339
from tests.controllers.world import NOW, World

Json = dict[str, Any]
TAINT = {"key": "unhealthy", "effect": "NoExecute"}
RESULT = {"request": "gpu", "driver": "d", "pool": "p", "device": "g0"}


def slice_with(*taints: Json, name: str = "s", generation: int = 1, device: str = "g0") -> Json:
    pool = {"name": "p", "generation": generation, "resourceSliceCount": 1}
    devices = [{"name": device, "taints": list(taints)}]
    return {"metadata": {"name": name}, "spec": {"driver": "d", "nodeName": "n1", "pool": pool, "devices": devices}}


def world_with(*slices: Json, tolerations: tuple[Json, ...] = (), reserved: bool = True) -> World:
    world = World()
    for each in slices:
        world.add(RESOURCESLICES, each)
    spec = {"nodeName": "n1", "resourceClaims": [{"name": "gpu", "resourceClaimName": "c"}]}
    pod = world.add(PODS, {"metadata": {"name": "p"}, "spec": spec, "status": {"phase": "Running"}})
    users = [{"resource": "pods", "name": "p", "uid": pod["metadata"]["uid"]}] if reserved else []
    allocation = {"devices": {"results": [RESULT | {"tolerations": list(tolerations)}]}}
    status = {"allocation": allocation, "reservedFor": users}
    world.add(RESOURCECLAIMS, {"metadata": {"name": "c"}, "status": status})
    return world


def evicted(world: World) -> bool:
    world.run(devicetainteviction.CONTROLLER)
    return not world.all(PODS)


def test_a_pod_on_a_tainted_device_goes_and_says_why() -> None:
    world = world_with(slice_with(TAINT))
    assert evicted(world)
    assert world.told == [("DeviceTaintManagerEviction", "Marking for deletion Pod default/p")]


STAYS = [
    world_with(slice_with()),
    world_with(slice_with(TAINT | {"effect": "NoSchedule"})),
    world_with(slice_with(TAINT, device="g1")),
    world_with(slice_with(TAINT), reserved=False),
    world_with(slice_with(TAINT), tolerations=({"key": "unhealthy", "operator": "Exists"},)),
    world_with(slice_with(TAINT), slice_with(name="new", generation=2)),
]


@pytest.mark.parametrize(
    "world", STAYS, ids=["no taint", "new Pods only", "another device", "not its claim", "tolerated", "healed"]
)
def test_who_stays(world: World) -> None:
    assert not evicted(world)


def test_a_rule_taints_devices_too() -> None:
    world = world_with(slice_with())
    rule = {"metadata": {"name": "r"}, "spec": {"taint": TAINT}}
    world.add(DEVICETAINTRULES, rule)
    assert not evicted(world), "without a selector it is about nothing"
    world.get(DEVICETAINTRULES, "r")["spec"]["deviceSelector"] = {"driver": "d"}
    assert evicted(world)


@pytest.mark.parametrize("added", [{"timeAdded": rfc3339(NOW)}, {}], ids=["dated", "first seen"])
def test_a_taint_may_be_tolerated_for_a_while(added: Json) -> None:
    for_a_while = {"key": "unhealthy", "operator": "Exists", "tolerationSeconds": 60}
    world = world_with(slice_with(TAINT | added), tolerations=(for_a_while,))
    assert not evicted(world) and world.again == [60.0]
    world.now += 59
    assert not evicted(world)
    world.now += 1
    assert evicted(world)
