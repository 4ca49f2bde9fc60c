"""Endpoints made by hand reach the proxies."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from podling.controllers import endpointslice
from podling.controllers.endpointslicemirroring import CONTROLLER, MANAGER
from tests.controllers.test_endpointslice import stray_slice
from tests.controllers.world import World

SUBSET = {"addresses": [{"ip": "192.0.2.1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": [{"port": 27017}]}


def world_of(*subsets: dict[str, Any], **meta: Any) -> World:
    world = World()
    world.add(SERVICES, {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 27017}]}})
    world.add(ENDPOINTS, {"metadata": {"name": "db"} | meta, "subsets": list(subsets)})
    return world


def test_a_subset_becomes_a_slice_that_the_endpoints_own() -> None:
    world = world_of(SUBSET, labels={"mine": "yes"})
    world.run(CONTROLLER)
    (made,) = world.all(ENDPOINTSLICES)
    assert made["metadata"]["labels"] == {
        "mine": "yes",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    assert made["endpoints"] == [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True}},
        {"addresses": ["192.0.2.2"], "conditions": {"ready": False}},
    ]
    assert made["ports"] == [{"name": "", "protocol": "TCP", "port": 27017}]


def test_slices_follow_their_endpoints_and_go_with_the_service() -> None:
    other = SUBSET | {"ports": [{"port": 1}]}
    world = world_of(SUBSET, other)
    world.run(CONTROLLER)
    assert sorted(each["ports"][0]["port"] for each in world.all(ENDPOINTSLICES)) == [1, 27017]
    world.get(ENDPOINTS, "db")["subsets"] = [other]
    world.run(CONTROLLER)
    assert [each["ports"][0]["port"] for each in world.all(ENDPOINTSLICES)] == [1]
    del world.objects[SERVICES, "default", "db"]
    world.run(CONTROLLER)
    assert world.all(ENDPOINTSLICES) == []


LEFT_ALONE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("asked to skip", {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}, {}),
    ("a lock", {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}, {}),
    ("of a Service with a selector", {}, {"selector": {"app": "db"}}),
]


@pytest.mark.parametrize(("meta", "spec"), [case[1:] for case in LEFT_ALONE], ids=[case[0] for case in LEFT_ALONE])
def test_who_is_not_mirrored(meta: dict[str, Any], spec: dict[str, Any]) -> None:
    world = world_of(SUBSET, **meta)
    world.get(SERVICES, "db")["spec"] |= spec
    world.run(CONTROLLER)
    assert world.all(ENDPOINTSLICES) == []


def test_slices_of_others_are_never_touched() -> None:
    world = world_of(SUBSET)
    world.add(ENDPOINTSLICES, stray_slice("hand-made", "db", "me", ["192.0.2.9"]))
    before = dict(world.get(ENDPOINTSLICES, "hand-made"))
    world.run(CONTROLLER)
    world.run(endpointslice.CONTROLLER)
    assert len(world.all(ENDPOINTSLICES)) == 2
    assert world.get(ENDPOINTSLICES, "hand-made") == before
