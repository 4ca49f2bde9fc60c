"""What budgets allow, from the Pods there are and the scales behind them."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.errors import ApiError, NotFound, not_found
from podling.client.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from podling.client.transport import Resource
from podling.controllers import disruption, staledisruption
from podling.env import rfc3339
from podling.reconcile.action import Ask
from tests.controllers.world import NOW, World, pod, seen

Json = dict[str, Any]
LABELS = {"app": "web"}


def world_of(spec: Json, *, ready: int, unready: int = 0, replicas: int | None = None) -> World:
    """A budget and the Pods of one ReplicaSet; `replicas` what that is scaled to."""
    world = World()
    body = {"metadata": {"name": "web", "generation": 2}, "spec": {"selector": {"matchLabels": LABELS}, **spec}}
    world.add(PODDISRUPTIONBUDGETS, body)
    count = ready + unready if replicas is None else replicas
    made = {"metadata": {"name": "web", "uid": "set"}, "spec": {"replicas": count}}
    world.add(REPLICASETS, made)
    for number in range(ready + unready):
        world.add(PODS, pod(f"p{number}", LABELS, owner="set", ready=number < ready))
    return world


def counts(world: World) -> tuple[int, int, int, int]:
    """Allowed, healthy, desired healthy, expected."""
    status = world.get(PODDISRUPTIONBUDGETS, "web")["status"]
    names = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    allowed, healthy, desired, expected = (status[name] for name in names)
    return allowed, healthy, desired, expected


def condition(world: World) -> tuple[str, str, str]:
    found = world.get(PODDISRUPTIONBUDGETS, "web")["status"]["conditions"][0]
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize(
    ("spec", "ready", "unready", "replicas", "wanted"),
    [
        ({"minAvailable": 2}, 3, 0, 3, (1, 3, 2, 3)),
        ({"minAvailable": 2}, 2, 1, 3, (0, 2, 2, 3)),
        ({"minAvailable": "50%"}, 3, 0, 5, (0, 3, 3, 5)),
        ({"maxUnavailable": 1}, 3, 0, 3, (1, 3, 2, 3)),
        ({"maxUnavailable": 1}, 2, 0, 4, (0, 2, 3, 4)),
        ({"maxUnavailable": "30%"}, 4, 0, 4, (2, 4, 2, 4)),
        ({"maxUnavailable": 9}, 2, 0, 2, (2, 2, 0, 2)),
        ({}, 2, 0, 2, (0, 2, 0, 0)),
    ],
    ids=["number", "unready", "share", "missing", "too-few", "missing-share", "all", "nothing"],
)
def test_what_may_go(spec: Json, ready: int, unready: int, replicas: int, wanted: tuple[int, ...]) -> None:
    world = world_of(spec, ready=ready, unready=unready, replicas=replicas)
    world.run(disruption.CONTROLLER)
    assert counts(world) == wanted
    status = world.get(PODDISRUPTIONBUDGETS, "web")["status"]
    assert status["observedGeneration"] == 2
    assert condition(world)[:2] == (("True", "SufficientPods") if wanted[0] else ("False", "InsufficientPods"))


def test_a_deployment_decides_for_its_replicasets() -> None:
    world = world_of({"maxUnavailable": 1}, ready=3, replicas=1)
    world.add(DEPLOYMENTS, {"metadata": {"name": "web", "uid": "above"}, "spec": {"replicas": 4}})
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "above", "controller": True}
    world.get(REPLICASETS, "web")["metadata"]["ownerReferences"] = [owner]
    world.run(disruption.CONTROLLER)
    assert counts(world) == (0, 3, 3, 4)


@pytest.mark.parametrize("resource", [DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS])
def test_a_change_of_scale_concerns_budgets_that_count_from_it_though_no_pod_changes(resource: Resource) -> None:
    world = World()
    selector = {"matchLabels": LABELS}
    specs: dict[str, Json] = {
        "most": {"maxUnavailable": 1},
        "half": {"minAvailable": "50%"},
        "fixed": {"minAvailable": 1},
        "other": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "other"}}},
    }
    for name, spec in specs.items():
        world.add(PODDISRUPTIONBUDGETS, {"metadata": {"name": name}, "spec": {"selector": selector, **spec}})
    template = {"metadata": {"labels": LABELS}}
    body: Json = {"metadata": {"name": "scaled", "uid": "scaled"}, "spec": {"replicas": 2, "template": template}}
    world.add(resource, body)
    old = seen(world.view(), resource, "scaled")
    body["spec"]["replicas"] = 1
    world.add(resource, body)
    new = seen(world.view(), resource, "scaled")
    (watch,) = [each for each in disruption.CONTROLLER.watches if each.resource == resource]
    assert not watch.alike(old, new) and watch.alike(new, new)
    told = {key.rpartition("/")[2] for key in watch.keys(new, world.view())}
    assert told == {"most", "half"}


def test_terminating_pods_and_those_granted_to_go_are_not_healthy() -> None:
    world = world_of({"minAvailable": 1}, ready=2)
    world.add(PODS, pod("leaving", LABELS, owner="set", deleting=True))
    world.get(PODDISRUPTIONBUDGETS, "web")["status"] = {"disruptedPods": {"p0": rfc3339(NOW - 20), "gone": "x"}}
    world.run(disruption.CONTROLLER)
    assert counts(world) == (0, 1, 1, 3)
    assert world.get(PODDISRUPTIONBUDGETS, "web")["status"]["disruptedPods"] == {"p0": rfc3339(NOW - 20)}
    assert world.again[0] == pytest.approx(100.0)


def test_a_pod_that_did_not_go_in_time_counts_again() -> None:
    world = world_of({"minAvailable": 1}, ready=2)
    world.get(PODDISRUPTIONBUDGETS, "web")["status"] = {"disruptedPods": {"p0": rfc3339(NOW - 121)}}
    world.run(disruption.CONTROLLER)
    assert counts(world) == (1, 2, 1, 2)
    assert ("NotDeleted", "Pod was expected by PDB default/web to be deleted but it wasn't") in world.told


def test_a_budget_without_pods_allows_nothing_and_says_so() -> None:
    world = world_of({"minAvailable": 1}, ready=0)
    world.run(disruption.CONTROLLER)
    assert counts(world) == (0, 0, 1, 0)
    assert ("NoPods", "No matching pods found") in world.told


def test_pods_of_nobody_are_told_of() -> None:
    world = world_of({"maxUnavailable": 1}, ready=1, replicas=2)
    world.add(PODS, pod("alone", LABELS))
    world.run(disruption.CONTROLLER)
    assert counts(world) == (1, 2, 1, 2)
    assert any(reason == "UnmanagedPods" for reason, _ in world.told)


def owned_by(kind: str, api_version: str) -> World:
    world = World()
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1}}
    world.add(PODDISRUPTIONBUDGETS, body)
    made = world.add(PODS, pod("p", LABELS, owner="owner"))
    made["metadata"]["ownerReferences"][0] |= {"kind": kind, "apiVersion": api_version}
    return world


def test_another_kind_is_asked_for_its_scale() -> None:
    world = owned_by("DaemonSet", "apps/v1")
    asked: list[Ask] = []

    def answer(question: Ask) -> Json:
        asked.append(question)
        return {"metadata": {"uid": "owner"}, "spec": {"replicas": 2}}

    world.answers = answer
    world.run(disruption.CONTROLLER)
    assert asked[0].path == "/apis/apps/v1/namespaces/default/daemonsets/web/scale"
    assert counts(world) == (0, 1, 1, 2)


@pytest.mark.parametrize(
    ("kind", "api_version", "answer", "why"),
    [
        ("Job", "batch/v1", NotFound("no path"), "jobs.batch does not implement the scale subresource"),
        ("Job", "batch/v1", not_found("jobs", "web", "batch"), 'found no controllers for pod "p"'),
        ("ReplicaSet", "apps/v1", NotFound("unasked"), 'found no controllers for pod "p"'),
        ("Gone", "x.io/v1", NotFound("unasked"), 'no matches for kind "Gone" in version "x.io/v1"'),
    ],
)
def test_a_budget_that_cannot_be_counted_is_closed(kind: str, api_version: str, answer: ApiError, why: str) -> None:
    world = owned_by(kind, api_version)
    world.get(PODDISRUPTIONBUDGETS, "web")["status"] = {"disruptionsAllowed": 1}
    world.answers = lambda question: answer
    world.run(disruption.CONTROLLER)
    assert world.get(PODDISRUPTIONBUDGETS, "web")["status"]["disruptionsAllowed"] == 0
    assert condition(world) == ("False", "SyncFailed", why)
    text = f"Failed to calculate the number of expected pods: {why}"
    assert ("CalculateExpectedPodCountFailed", text) in world.told


def test_a_disruption_that_did_not_come_is_taken_back_after_two_minutes() -> None:
    world = World()
    made = world.add(PODS, pod("p"))
    told = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "m"}
    made["status"]["conditions"].append(told | {"lastTransitionTime": rfc3339(NOW - 30)})
    world.run(staledisruption.CONTROLLER)
    assert (world.done, world.again) == ([], [90.0])
    world.now += 91
    world.run(staledisruption.CONTROLLER)
    found = next(each for each in made_conditions(world) if each["type"] == "DisruptionTarget")
    assert found == {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": rfc3339(NOW + 91)}


def made_conditions(world: World) -> list[Json]:
    conditions: list[Json] = world.get(PODS, "p")["status"]["conditions"]
    return conditions
