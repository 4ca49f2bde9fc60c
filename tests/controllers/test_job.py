"""Job: as many successes as asked for, each Pod counted once, and an end that is announced and then final."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import ServiceUnavailable
from podling.client.resources import JOBS, PODS
from podling.controllers import ttlafterfinished
from podling.controllers.job import CONTROLLER
from podling.env import rfc3339
from podling.reconcile import indexes
from tests.controllers.workloads import Json, settle
from tests.controllers.world import NOW, World, pod

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
LABELS = {"batch.kubernetes.io/controller-uid": "job-uid", "job-name": "work"}


def job(**spec: Any) -> Json:
    policy = spec.pop("restartPolicy", "Never")
    whole = {
        "parallelism": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "job-uid"}},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"restartPolicy": policy, "containers": [{"name": "c", "image": "x"}]},
        },
    }
    meta = {"name": "work", "uid": "job-uid", "generation": 1}
    return {"metadata": meta, "spec": {**whole, **({"completions": 1} if "parallelism" not in spec else {}), **spec}}


def world_of(**spec: Any) -> World:
    world = World()
    world.add(JOBS, job(**spec))
    return world


def turn(world: World) -> None:
    world.reconcile(CONTROLLER, JOBS, world.get(JOBS, "work")["metadata"])


def end(each: Json, code: int = 0, at: float = NOW) -> None:
    state = {"terminated": {"exitCode": code, "finishedAt": rfc3339(at)}}
    each["status"] = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": "c", "state": state}],
        "conditions": [],
    }


def ending(code: Callable[[Json], int] = lambda each: 0) -> Callable[[World], bool]:
    """Nodes on which every Pod ends at once with a code; time passes, so that nothing waits for ever."""

    def nodes(world: World) -> bool:
        running = [
            each for each in world.all(PODS) if each.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]
        for each in running:
            end(each, code(each), world.now)
        waiting = not running and not finished(world)
        world.now += 700 if waiting else 0
        return bool(running) or waiting

    return nodes


def status(world: World) -> Json:
    found: Json = world.get(JOBS, "work").get("status", {})
    return found


def conditions(world: World) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in status(world).get("conditions", ()) if each["status"] == "True"}


def finished(world: World) -> bool:
    return bool({"Complete", "Failed"} & conditions(world).keys())


def reasons(world: World) -> list[str]:
    return [reason for reason, _ in world.told]


def test_a_pod_is_tracked_counted_and_let_go() -> None:
    world = world_of()
    turn(world)
    (made,) = world.all(PODS)
    assert made["metadata"]["finalizers"] == [TRACKING]
    assert made["metadata"]["name"].startswith("work-")
    end(made)
    turn(world)
    assert status(world)["uncountedTerminatedPods"] == {"succeeded": [made["metadata"]["uid"]]}
    assert "finalizers" not in made["metadata"] or not world.all(PODS)[0]["metadata"]["finalizers"]
    assert not finished(world)
    turn(world)
    assert conditions(world) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert (status(world)["succeeded"], status(world)["completionTime"]) == (1, rfc3339(NOW))
    assert ("Completed", "Job completed") in world.told


def test_a_crash_between_the_steps_of_counting_counts_nothing_twice() -> None:
    world = world_of(completions=2, parallelism=1)
    turn(world)
    end(world.all(PODS)[0])
    writes = 0

    def once(action: Any) -> Any:
        nonlocal writes
        writes += 1
        return ServiceUnavailable("crash") if writes == 3 else None

    world.refuse = once
    settle(world, [CONTROLLER], nodes=ending())
    settle(world, [CONTROLLER], nodes=ending())
    assert status(world)["succeeded"] == 2
    assert len(world.all(PODS)) == 2


def test_indexed_pods_have_their_index_and_completed_indexes_are_told() -> None:
    world = world_of(completions=5, parallelism=2, completionMode="Indexed")
    turn(world)
    first, second = world.all(PODS)
    assert [each["metadata"]["annotations"][INDEX] for each in (first, second)] == ["0", "1"]
    assert first["spec"]["hostname"] == "work-0"
    (env,) = first["spec"]["containers"][0]["env"]
    assert env["name"] == "JOB_COMPLETION_INDEX"
    settle(world, [CONTROLLER], nodes=ending())
    assert (status(world)["completedIndexes"], status(world)["succeeded"]) == ("0-4", 5)


def test_too_many_failures_end_it_and_each_try_waits_twice_as_long() -> None:
    world = world_of(backoffLimit=2)
    turn(world)
    waits = []
    for _ in range(3):
        end(world.all(PODS)[-1], 1, world.now)
        for _ in range(3):
            turn(world)
        if not finished(world):
            waits.append(world.again[-1])
            world.now += waits[-1]
            turn(world)
    assert waits == [pytest.approx(10.0), pytest.approx(20.0)]
    assert conditions(world) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert status(world)["failed"] == 3
    assert "BackoffLimitExceeded" in reasons(world)


def test_with_a_limit_for_each_index_the_others_go_on() -> None:
    world = world_of(
        completions=3, parallelism=3, completionMode="Indexed", backoffLimit=2**31 - 1, backoffLimitPerIndex=1
    )
    settle(world, [CONTROLLER], nodes=ending(lambda each: int(each["metadata"]["annotations"][INDEX] == "1")))
    assert (status(world)["completedIndexes"], status(world)["failedIndexes"]) == ("0,2", "1")
    assert status(world)["failed"] == 2
    assert conditions(world)["Failed"] == "FailedIndexes"


POLICIES = [
    ("FailJob", 42, "PodFailurePolicy", 1),
    ("Ignore", 42, None, 0),
    ("Count", 42, "BackoffLimitExceeded", 1),
]


@pytest.mark.parametrize(("action", "code", "reason", "failed"), POLICIES, ids=[each[0] for each in POLICIES])
def test_the_policy_says_what_a_failure_means(action: str, code: int, reason: str | None, failed: int) -> None:
    rules = [{"action": action, "onExitCodes": {"operator": "In", "values": [42]}}]
    world = world_of(backoffLimit=0, podFailurePolicy={"rules": rules}, podReplacementPolicy="Failed")
    turn(world)
    end(world.all(PODS)[0], code)
    for _ in range(4):
        turn(world)
    assert conditions(world).get("Failed") == reason
    assert status(world).get("failed", 0) == failed
    if action == "FailJob":
        (message,) = [text for why, text in world.told if why == "PodFailurePolicy"]
        assert message.endswith("failed with exit code 42 matching FailJob rule at index 0")


def test_a_success_policy_ends_it_early_and_takes_the_rest_away() -> None:
    world = world_of(
        completions=3,
        parallelism=3,
        completionMode="Indexed",
        successPolicy={"rules": [{"succeededIndexes": "0", "succeededCount": 1}]},
    )
    turn(world)
    end(world.all(PODS)[0])
    settle(world, [CONTROLLER], nodes=lambda _: False)
    assert conditions(world) == {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
    assert len(world.all(PODS)) == 1


def test_suspended_it_has_no_pods_and_resumed_it_begins_anew() -> None:
    world = world_of()
    turn(world)
    world.get(JOBS, "work")["spec"]["suspend"] = True
    settle(world, [CONTROLLER], nodes=lambda _: False)
    assert world.all(PODS) == []
    assert conditions(world) == {"Suspended": "JobSuspended"}
    assert "failed" not in status(world)
    world.now += 100
    world.get(JOBS, "work")["spec"]["suspend"] = False
    turn(world)
    assert len(world.all(PODS)) == 1
    assert status(world)["startTime"] == rfc3339(world.now)
    assert [each for each in reasons(world) if each in ("Suspended", "Resumed")] == ["Suspended", "Resumed"]


def test_past_its_deadline_it_fails_and_its_pods_go() -> None:
    world = world_of(activeDeadlineSeconds=30)
    turn(world)
    turn(world)
    assert world.again[-1] == pytest.approx(30.0)
    world.now += 30
    settle(world, [CONTROLLER], nodes=lambda _: False)
    assert conditions(world)["Failed"] == "DeadlineExceeded"
    assert world.all(PODS) == []


def test_finished_it_goes_after_its_time_to_live() -> None:
    world = world_of(ttlSecondsAfterFinished=60)
    settle(world, [CONTROLLER], nodes=ending())
    world.run(ttlafterfinished.CONTROLLER)
    assert world.again[-1] == pytest.approx(60.0)
    world.now += 61
    world.run(ttlafterfinished.CONTROLLER)
    assert world.all(JOBS) == []


def test_an_ended_job_of_another_manager_has_a_time_to_live_too_and_one_that_runs_has_none() -> None:
    world = world_of(ttlSecondsAfterFinished=0, managedBy="example.com/other")
    world.run(ttlafterfinished.CONTROLLER)
    assert len(world.all(JOBS)) == 1
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": rfc3339(NOW)}
    world.get(JOBS, "work")["status"] = {"conditions": [failed]}
    world.run(ttlafterfinished.CONTROLLER)
    assert world.all(JOBS) == []


def test_pods_of_a_job_that_is_gone_are_let_go() -> None:
    world = world_of()
    turn(world)
    del world.objects[JOBS, "default", "work"]
    assert CONTROLLER.vanished is not None
    world.carry_out(CONTROLLER.vanished("batch/jobs/default/work", world.view()))
    assert not world.all(PODS)[0]["metadata"].get("finalizers")


def test_restarts_in_place_count_too() -> None:
    world = world_of(restartPolicy="OnFailure", backoffLimit=2)
    turn(world)
    world.all(PODS)[0]["status"] = {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]}
    settle(world, [CONTROLLER], nodes=lambda _: False)
    assert conditions(world)["Failed"] == "BackoffLimitExceeded"


def test_a_job_of_another_manager_is_left_alone() -> None:
    world = world_of(managedBy="example.com/other")
    turn(world)
    assert (world.all(PODS), status(world)) == ([], {})


@given(st.frozensets(st.integers(0, 40)))
def test_indexes_are_written_and_read_again(given_: frozenset[int]) -> None:
    assert indexes.parse(indexes.text(given_)) == given_


@given(
    st.integers(0, 4),
    st.integers(0, 6),
    st.sampled_from(["NonIndexed", "Indexed"]),
    st.sampled_from(["TerminatingOrFailed", "Failed"]),
    st.lists(st.integers(0, 1), max_size=10),
    st.lists(st.sampled_from(["drop", "scale", "turn"]), max_size=6),
)
def test_from_any_course_it_ends_with_every_pod_counted_once_and_no_stranger_touched(
    parallelism: int, completions: int, mode: str, policy: str, codes: list[int], happenings: list[str]
) -> None:
    world = world_of(
        parallelism=max(1, parallelism), completions=completions, completionMode=mode, podReplacementPolicy=policy
    )
    stranger = world.add(PODS, pod("stranger", LABELS, owner="somebody"))
    stranger["metadata"]["finalizers"] = [TRACKING]
    before = copy.deepcopy(stranger)
    left = list(codes)
    for what in happenings:
        turn(world)
        mine = [each for each in world.all(PODS) if each["metadata"]["name"] != "stranger"]
        if what == "drop" and mine:
            mine[0]["metadata"]["deletionTimestamp"] = rfc3339(world.now)
        if what == "scale":
            world.get(JOBS, "work")["spec"]["parallelism"] = 1
    nodes = ending(lambda _: left.pop() if left else 0)

    def but_the_stranger(world: World) -> bool:
        held = world.objects.pop((PODS, "default", "stranger"))
        try:
            return nodes(world)
        finally:
            world.objects[PODS, "default", "stranger"] = held

    settle(world, [CONTROLLER], nodes=but_the_stranger, rounds=300)
    assert finished(world)
    assert world.get(PODS, "stranger") == before
    if "Complete" in conditions(world):
        assert status(world).get("succeeded", 0) == completions
    assert not any(
        TRACKING in (each["metadata"].get("finalizers") or ())
        for each in world.all(PODS)
        if each["metadata"]["name"] != "stranger"
    )
    assert not status(world).get("uncountedTerminatedPods")
