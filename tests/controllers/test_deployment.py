"""Deployment: a change of the template rolls out within its limits, and everything it was stays in its history."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import Forbidden
from podling.client.resources import DEPLOYMENTS, PODS, REPLICASETS
from podling.controllers import replicaset
from podling.controllers.deployment import CONTROLLER
from podling.reconcile import pods as pod_facts
from podling.reconcile.action import Action, Create
from podling.reconcile.templates import hash_of, plain, same
from tests.controllers.workloads import Json, kubelet, settle, template
from tests.controllers.world import World, pod, ready

BOTH = (CONTROLLER, replicaset.CONTROLLER)
REVISION = "deployment.kubernetes.io/revision"


def deployment(replicas: int = 4, image: str = "v1", **more: Any) -> Json:
    rolling = {"maxSurge": more.pop("surge", "25%"), "maxUnavailable": more.pop("unavailable", "25%")}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(image),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 10,
    }
    return {"metadata": {"name": "web", "uid": "d-uid", "generation": 1}, "spec": spec | more}


def started(**more: Any) -> World:
    world = World()
    world.add(DEPLOYMENTS, deployment(**more))
    settle(world, BOTH)
    return world


def change(world: World, **spec: Any) -> None:
    body = world.get(DEPLOYMENTS, "web")
    body["spec"] |= spec
    body["metadata"]["generation"] += 1


def roll(world: World, image: str) -> None:
    change(world, template=template(image))


def sizes(world: World) -> dict[str, int]:
    """Replicas by image."""
    return {
        each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"]
        for each in world.all(REPLICASETS)
    }


def condition(world: World, type: str) -> Json:
    return next(each for each in world.get(DEPLOYMENTS, "web")["status"]["conditions"] if each["type"] == type)


def told(world: World) -> list[str]:
    return [message for reason, message in world.told if reason == "ScalingReplicaSet"]


def test_a_new_deployment_makes_a_replicaset_named_by_the_hash_of_its_template() -> None:
    world = started()
    (made,) = world.all(REPLICASETS)
    hash = hash_of(plain(template("v1")))
    assert made["metadata"]["name"] == f"web-{hash}"
    assert made["metadata"]["labels"] == {"app": "web", "pod-template-hash": hash}
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hash}
    assert made["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "4",
        "deployment.kubernetes.io/max-replicas": "5",
    }
    assert world.get(DEPLOYMENTS, "web")["metadata"]["annotations"] == {REVISION: "1"}
    assert told(world) == [f"Scaled up replica set web-{hash} from 0 to 4"]
    assert condition(world, "Available")["reason"] == "MinimumReplicasAvailable"
    progress = condition(world, "Progressing")
    assert (progress["status"], progress["reason"]) == ("True", "NewReplicaSetAvailable")
    assert progress["message"] == f'ReplicaSet "web-{hash}" has successfully progressed.'


def test_the_hash_of_a_template_is_the_same_in_every_release() -> None:
    assert hash_of(plain(template("v1"))) == "7b5555f9c7"


def test_a_rollback_takes_the_old_replicaset_and_gives_it_the_next_revision() -> None:
    world = started()
    roll(world, "v2")
    settle(world, BOTH)
    assert sizes(world) == {"v1": 0, "v2": 4}
    roll(world, "v1")
    settle(world, BOTH)
    assert sizes(world) == {"v1": 4, "v2": 0}
    first = min(world.all(REPLICASETS), key=lambda each: int(each["metadata"]["resourceVersion"]) < 0)
    assert first["metadata"]["annotations"][REVISION] == "3"
    assert first["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert world.get(DEPLOYMENTS, "web")["metadata"]["annotations"][REVISION] == "3"


def test_what_is_null_or_empty_is_no_change_of_a_template() -> None:
    other = {**template("v1"), "metadata": {"labels": {"app": "web"}, "annotations": {}, "creationTimestamp": None}}
    assert same(template("v1"), other)
    assert not same(template("v1"), template("v1", volumes=[{"name": "v", "emptyDir": {}}]))


def test_history_keeps_as_many_as_its_limit_and_forgets_the_oldest() -> None:
    world = started(revisionHistoryLimit=2)
    for image in ("v2", "v3", "v4", "v5"):
        roll(world, image)
        settle(world, BOTH)
    assert sorted(sizes(world)) == ["v3", "v4", "v5"]


def test_while_paused_a_template_waits_and_a_new_size_does_not() -> None:
    world = started()
    change(world, paused=True)
    roll(world, "v2")
    settle(world, BOTH)
    assert condition(world, "Progressing")["reason"] == "DeploymentPaused"
    change(world, replicas=6)
    settle(world, BOTH)
    assert sizes(world) == {"v1": 6}
    change(world, paused=False)
    world.reconcile(CONTROLLER, DEPLOYMENTS, world.get(DEPLOYMENTS, "web")["metadata"])
    settle(world, BOTH)
    assert sizes(world) == {"v1": 0, "v2": 6}


def test_recreate_waits_for_the_last_old_pod_to_be_gone() -> None:
    world = started(strategy={"type": "Recreate"})
    held = world.all(PODS)[0]
    held["metadata"]["finalizers"] = ["test/held"]
    roll(world, "v2")
    settle(world, BOTH)
    assert sizes(world) == {"v1": 0}
    assert [each["metadata"]["name"] for each in world.all(PODS)] == [held["metadata"]["name"]]
    del world.objects[PODS, "default", held["metadata"]["name"]]
    settle(world, BOTH)
    assert sizes(world) == {"v1": 0, "v2": 4}


def test_a_rollout_that_stands_still_exceeds_its_deadline_and_says_so_once() -> None:
    world = started(progressDeadlineSeconds=60)
    roll(world, "v2")
    settle(world, BOTH, nodes=lambda _: False)
    assert condition(world, "Progressing")["reason"] == "ReplicaSetUpdated"
    assert world.again[-1] == pytest.approx(61.0)
    world.now += 61
    settle(world, BOTH, nodes=lambda _: False)
    late = condition(world, "Progressing")
    assert (late["status"], late["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert late["message"].endswith("has timed out progressing.")
    settle(world, BOTH)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_scaling_in_the_middle_of_a_rollout_is_shared_in_proportion() -> None:
    world = started(replicas=10, surge=3, unavailable=2)
    roll(world, "v2")
    for _ in range(3):
        settle(world, BOTH, nodes=lambda _: False)
    assert sizes(world) == {"v1": 8, "v2": 5}
    change(world, replicas=15)
    settle(world, BOTH, nodes=lambda _: False)
    assert sizes(world) == {"v1": 11, "v2": 7}


def test_a_name_taken_by_a_stranger_is_a_collision_and_the_next_hash_is_another() -> None:
    world = World()
    taken = f"web-{hash_of(plain(template('v1')))}"
    stranger = {"metadata": {"name": taken, "labels": {}}, "spec": {"replicas": 0, "template": template("other")}}
    world.add(REPLICASETS, copy.deepcopy(stranger))
    world.add(DEPLOYMENTS, deployment())
    settle(world, BOTH)
    assert world.get(DEPLOYMENTS, "web")["status"]["collisionCount"] == 1
    assert sizes(world) == {"other": 0, "v1": 4}


def test_a_refused_replicaset_is_a_condition_and_an_event() -> None:
    world = World()
    body = world.add(DEPLOYMENTS, deployment())
    error = Forbidden("exceeded quota")
    world.refuse = lambda action: error if isinstance(action, Create) else None
    world.reconcile(CONTROLLER, DEPLOYMENTS, body["metadata"])
    world.reconcile(CONTROLLER, DEPLOYMENTS, body["metadata"], failure=error)
    failed = condition(world, "Progressing")
    assert (failed["status"], failed["reason"]) == ("False", "ReplicaSetCreateError")
    assert failed["message"].endswith(": exceeded quota")
    assert world.told[0] == ("ReplicaSetCreateError", failed["message"])
    world.refuse = lambda action: None
    settle(world, BOTH)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_annotations_go_down_to_the_new_replicaset_but_not_those_of_kubectl() -> None:
    world = World()
    body = deployment()
    cause = {"kubernetes.io/change-cause": "first"}
    body["metadata"]["annotations"] = {**cause, "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    world.add(DEPLOYMENTS, body)
    settle(world, BOTH)
    (made,) = world.all(REPLICASETS)
    assert cause.items() <= made["metadata"]["annotations"].items()
    assert "kubectl.kubernetes.io/last-applied-configuration" not in made["metadata"]["annotations"]


def flaky(world: World) -> bool:
    """Of the Pods of image v2 none ever gets ready."""
    fresh = [each for each in world.all(PODS) if each.get("status", {}).get("phase", "Pending") == "Pending"]
    for each in fresh:
        works = each["spec"]["containers"][0]["image"] != "v2"
        each["status"] = {"phase": "Running", "conditions": ready(works)}
    return bool(fresh)


limits = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))
steps = st.lists(
    st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=4
)


@given(st.integers(0, 9), limits, limits, steps)
def test_from_any_start_it_converges_within_surge_and_unavailability_and_touches_no_stranger(
    replicas: int, surge: Any, unavailable: Any, changes: list[tuple[str, int, int]]
) -> None:
    world = World()
    labels = {"app": "web"}
    stranger = world.add(
        REPLICASETS,
        {
            "metadata": {
                "name": "stranger",
                "labels": labels,
                "ownerReferences": pod("x", owner="somebody")["metadata"]["ownerReferences"],
            },
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "no"}}, "template": template("v1")},
            "status": {"replicas": 0, "observedGeneration": 0, "terminatingReplicas": 0},
        },
    )
    before = copy.deepcopy(stranger)
    world.add(DEPLOYMENTS, deployment(replicas, surge=surge, unavailable=unavailable))
    settle(world, BOTH)
    for image, wanted, interrupted in changes:
        roll(world, image)
        settle_some(world, interrupted)
        change(world, replicas=wanted)
        settle(world, BOTH, check=lambda: None)
    image, wanted, _ = changes[-1]
    assert {key: count for key, count in sizes(world).items() if count} == ({image: wanted} if wanted else {})
    active = [each for each in world.all(PODS) if "deletionTimestamp" not in each["metadata"]]
    assert len(active) == wanted
    status = world.get(DEPLOYMENTS, "web")["status"]
    assert (status["replicas"] if wanted else 0, status.get("updatedReplicas") or 0) == (wanted, wanted)
    after = world.get(REPLICASETS, "stranger")
    assert (after["spec"], after["metadata"]["ownerReferences"]) == (
        before["spec"],
        before["metadata"]["ownerReferences"],
    )


def settle_some(world: World, rounds: int) -> None:
    for _ in range(rounds):
        for controller in BOTH:
            assert controller.resource is not None
            for body in world.all(controller.resource):
                world.reconcile(controller, controller.resource, body["metadata"])
        kubelet(world)


@given(st.integers(1, 9), limits, limits, st.booleans())
def test_a_rollout_never_leaves_the_room_between_surge_and_unavailability(
    replicas: int, surge: Any, unavailable: Any, broken: bool
) -> None:
    world = started(replicas=replicas, surge=surge, unavailable=unavailable)
    up = surge if isinstance(surge, int) else -(-int(surge[:-1]) * replicas // 100)
    down = unavailable if isinstance(unavailable, int) else int(unavailable[:-1]) * replicas // 100
    down = min(replicas, down or (0 if up else 1))

    def within() -> None:
        assert sum(sizes(world).values()) <= replicas + up
        seen = world.view().of(PODS).list("default")
        assert sum(pod_facts.is_ready(each.view) and not each.head.deleting for each in seen) >= replicas - down

    roll(world, "v2" if broken else "v3")
    settle(world, BOTH, nodes=flaky, check=within)
    if not broken:
        assert {key: count for key, count in sizes(world).items() if count} == {"v3": replicas}


def test_a_failure_on_the_way_is_made_good() -> None:
    world = World()
    world.add(DEPLOYMENTS, deployment())
    failures = [Forbidden("no")]

    def refuse(action: Action) -> Forbidden | None:
        return failures.pop() if failures and isinstance(action, Create) else None

    world.refuse = refuse
    settle(world, BOTH)
    settle(world, BOTH)
    assert sizes(world) == {"v1": 4}
