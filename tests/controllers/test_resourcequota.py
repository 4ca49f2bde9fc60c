"""What a quota's status says."""

from __future__ import annotations

from podling.client.resources import CONFIGMAPS, PODS, RESOURCEQUOTAS
from podling.controllers import resourcequota
from tests.controllers.world import World, pod

CPU = [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "250m"}}}]


def world_with(hard: dict[str, str], **spec: object) -> World:
    world = World()
    world.add(RESOURCEQUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})
    return world


def status(world: World) -> dict[str, dict[str, str]]:
    world.run(resourcequota.CONTROLLER)
    return dict(world.get(RESOURCEQUOTAS, "q")["status"])


def test_an_empty_namespace_uses_nothing_of_everything_limited() -> None:
    hard = {"pods": "3", "requests.cpu": "1", "count/deployments.apps": "2"}
    assert status(world_with(hard)) == {"hard": hard, "used": dict.fromkeys(hard, "0")}


def test_what_is_there_is_added_up() -> None:
    world = world_with({"pods": "9", "cpu": "9", "requests.cpu": "9", "configmaps": "9", "count/pods": "9"})
    for number in range(3):
        world.add(PODS, pod(f"p{number}", containers=CPU))
    world.add(PODS, pod("ended", containers=CPU, phase="Succeeded"))
    world.add(CONFIGMAPS, {"metadata": {"name": "c"}})
    world.add(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace="elsewhere")
    used = {"pods": "3", "cpu": "750m", "requests.cpu": "750m", "configmaps": "1", "count/pods": "4"}
    assert status(world)["used"] == used


def test_pods_outside_of_the_scopes_do_not_count() -> None:
    world = world_with({"pods": "9"}, scopes=["BestEffort"])
    world.add(PODS, pod("asks", containers=CPU))
    world.add(PODS, pod("asks-nothing"))
    assert status(world)["used"] == {"pods": "1"}


def test_a_pod_that_overstays_its_end_is_not_counted() -> None:
    world = world_with({"pods": "9"})
    world.add(PODS, pod("p", deleting=True))
    assert status(world)["used"] == {"pods": "0"}


def test_a_long_list_is_counted_in_slices_and_to_the_end() -> None:
    world = world_with({"configmaps": "999"})
    for number in range(200):
        world.add(CONFIGMAPS, {"metadata": {"name": f"c{number}"}})
    view = world.view()
    found = view.of(RESOURCEQUOTAS).get("default", "q")
    assert found is not None
    groups = list(resourcequota.CONTROLLER.reconcile(found, view))
    assert groups[:3] == [[], [], []]
    assert status(world)["used"] == {"configmaps": "200"}


def test_a_status_that_is_right_is_not_written_again() -> None:
    world = world_with({"pods": "9"})
    status(world)
    written = len(world.done)
    status(world)
    assert len(world.done) == written == 1
