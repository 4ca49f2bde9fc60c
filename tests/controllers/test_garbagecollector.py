"""The garbage collector: background, foreground, orphan, absent owners."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import CONFIGMAPS, NODES
from podling.controllers.garbagecollector import CONTROLLER
from tests.controllers.world import World

GOING = "2020-01-01T00:00:00Z"


def config_map(name: str, *owners: str, finalizers: tuple[str, ...] = (), blocking: bool = True) -> dict[str, Any]:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": f"{owner}-uid", "blockOwnerDeletion": blocking}
        for owner in owners
    ]
    meta: dict[str, Any] = {"name": name, "uid": f"{name}-uid"}
    if references:
        meta["ownerReferences"] = references
    if finalizers:
        meta |= {"finalizers": list(finalizers), "deletionTimestamp": GOING}
    return {"metadata": meta}


def world_of(*bodies: dict[str, Any]) -> World:
    world = World()
    for body in bodies:
        world.add(CONFIGMAPS, body)
    return world


def names(world: World) -> list[str]:
    return sorted(each["metadata"]["name"] for each in world.all(CONFIGMAPS))


def test_dependents_of_an_absent_owner_go_all_the_way_down() -> None:
    world = world_of(config_map("child", "gone"), config_map("grandchild", "child"), config_map("free"))
    world.run(CONTROLLER)
    assert names(world) == ["free"]


def test_an_owner_of_the_same_name_and_another_uid_is_absent() -> None:
    world = world_of(config_map("owner"), config_map("child", "owner"))
    world.get(CONFIGMAPS, "owner")["metadata"]["uid"] = "a later life"
    world.run(CONTROLLER)
    assert names(world) == ["owner"]


def test_while_one_owner_stands_the_dependent_loses_only_the_reference_to_the_absent_one() -> None:
    world = world_of(config_map("standing"), config_map("child", "standing", "gone"))
    world.run(CONTROLLER)
    references = world.get(CONFIGMAPS, "child")["metadata"]["ownerReferences"]
    assert [each["uid"] for each in references] == ["standing-uid"]


def test_in_the_foreground_blocking_dependents_go_first() -> None:
    owner = config_map("owner", finalizers=("foregroundDeletion",))
    world = world_of(owner, config_map("child", "owner"))
    world.get(CONFIGMAPS, "child")["metadata"] |= {"finalizers": ["test/held"]}
    world.run(CONTROLLER)
    assert names(world) == ["child", "owner"]
    assert "deletionTimestamp" in world.get(CONFIGMAPS, "child")["metadata"]
    del world.objects[CONFIGMAPS, "default", "child"]
    world.run(CONTROLLER)
    assert names(world) == []


def test_a_circle_of_owners_does_not_wait_for_itself() -> None:
    first = config_map("a", "c", finalizers=("foregroundDeletion",))
    world = world_of(first, config_map("b", "a"), config_map("c", "b"))
    world.run(CONTROLLER)
    assert names(world) == []


def test_dependents_that_do_not_block_go_after_a_foreground_deletion() -> None:
    owner = config_map("owner", finalizers=("foregroundDeletion",))
    world = world_of(owner, config_map("child", "owner", blocking=False))
    world.run(CONTROLLER)
    assert names(world) == []


def test_orphaning_keeps_the_dependents_without_the_reference() -> None:
    world = world_of(config_map("owner", finalizers=("orphan",)), config_map("child", "owner"))
    world.run(CONTROLLER)
    assert names(world) == ["child"]
    assert not world.get(CONFIGMAPS, "child")["metadata"].get("ownerReferences")


def test_an_owner_of_a_kind_that_nobody_serves_keeps_its_dependents() -> None:
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [{"apiVersion": "x.io/v1", "kind": "Thing", "name": "t", "uid": "t"}]
    world = world_of(child)
    world.run(CONTROLLER)
    assert names(world) == ["child"]


def test_a_cluster_scoped_owner_is_found_from_a_namespace() -> None:
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1-uid"}]
    world = world_of(child)
    world.add(NODES, {"metadata": {"name": "n1", "uid": "n1-uid"}})
    world.run(CONTROLLER)
    assert names(world) == ["child"]


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    everybody = list("abcdef")
    return [
        config_map(
            name,
            *draw(st.lists(st.sampled_from([*everybody, "absent"]), max_size=2, unique=True)),
            finalizers=draw(st.sampled_from([(), (), (), ("foregroundDeletion",), ("orphan",)])),
            blocking=draw(st.booleans()),
        )
        for name in draw(st.lists(st.sampled_from(everybody), unique=True))
    ]


@given(graphs())
def test_from_any_graph_it_rests_with_no_reference_to_anything_absent(bodies: list[dict[str, Any]]) -> None:
    world = world_of(*bodies, config_map("stranger"))
    world.run(CONTROLLER)
    standing = {each["metadata"]["uid"] for each in world.all(CONFIGMAPS)}
    assert "stranger" in names(world)
    for each in world.all(CONFIGMAPS):
        if "deletionTimestamp" in each["metadata"]:
            continue  # it owns itself and waits for its dependents for ever, as upstream's would
        owners = {reference["uid"] for reference in each["metadata"].get("ownerReferences") or ()}
        assert owners <= standing
