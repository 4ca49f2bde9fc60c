"""CronJob: one Job for each moment, by the rules about overlap, lateness and history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import CRONJOBS, JOBS
from podling.controllers.cronjob import CONTROLLER, SCHEDULED
from podling.env import rfc3339
from tests.controllers.workloads import Json
from tests.controllers.world import NOW, World

MINUTE = NOW - NOW % 60


def cron_job(**more: Any) -> Json:
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}
    spec = {"schedule": "* * * * *", "jobTemplate": {"metadata": {"labels": {"of": "tick"}}, "spec": job}}
    spec |= {"concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    meta = {"name": "tick", "uid": "cron-uid", "creationTimestamp": rfc3339(MINUTE - 30)}
    return {"metadata": meta, "spec": spec | more}


def world_at(now: float, **more: Any) -> World:
    world = World(now=now)
    world.add(CRONJOBS, cron_job(**more))
    return world


def jobs(world: World) -> list[str]:
    return [each["metadata"]["name"] for each in world.all(JOBS)]


def name(minutes: int = 0) -> str:
    return f"tick-{int(MINUTE) // 60 + minutes}"


def finish(world: World, job: str, how: str = "Complete") -> None:
    body = world.get(JOBS, job)
    body["status"] = {"conditions": [{"type": how, "status": "True"}], "startTime": rfc3339(world.now)}
    if how == "Complete":
        body["status"]["completionTime"] = rfc3339(world.now)


def status(world: World) -> Json:
    found: Json = world.get(CRONJOBS, "tick").get("status", {})
    return found


def test_a_job_is_made_at_its_moment_and_named_by_it() -> None:
    world = world_at(MINUTE + 0.2)
    world.run(CONTROLLER)
    (made,) = world.all(JOBS)
    assert made["metadata"]["name"] == name()
    assert made["metadata"]["labels"] == {"of": "tick"}
    assert made["metadata"]["annotations"] == {SCHEDULED: rfc3339(MINUTE)}
    assert made["metadata"]["ownerReferences"][0]["controller"]
    assert status(world)["lastScheduleTime"] == rfc3339(MINUTE)
    assert [each["name"] for each in status(world)["active"]] == [name()]
    assert ("SuccessfulCreate", f"Created job {name()}") in world.told
    assert world.again[-1] == pytest.approx(59.9)


def test_before_its_moment_nothing_is_made() -> None:
    world = world_at(MINUTE - 1)
    world.run(CONTROLLER)
    assert (jobs(world), world.again[-1]) == ([], pytest.approx(1.1))


def test_what_was_missed_is_made_up_for_once_with_the_latest() -> None:
    world = world_at(MINUTE + 600)
    world.run(CONTROLLER)
    assert jobs(world) == [name(10)]


def test_very_much_missed_is_told() -> None:
    world = world_at(MINUTE + 60 * 200)
    world.run(CONTROLLER)
    assert jobs(world) == [name(200)]
    assert "TooManyMissedTimes" in [reason for reason, _ in world.told]


def test_a_crash_between_the_job_and_the_status_makes_no_second_job() -> None:
    world = world_at(MINUTE + 0.2)
    body = world.get(CRONJOBS, "tick")
    world.run(CONTROLLER)
    world.objects[CRONJOBS, "default", "tick"] = {**body, "status": {}}
    world.run(CONTROLLER)
    assert jobs(world) == [name()]
    assert status(world)["lastScheduleTime"] == rfc3339(MINUTE)


def test_forbid_waits_for_the_job_that_runs_and_replace_deletes_it() -> None:
    for policy, expected in (("Forbid", [name()]), ("Replace", [name(1)]), ("Allow", [name(), name(1)])):
        world = world_at(MINUTE + 0.2, concurrencyPolicy=policy)
        world.run(CONTROLLER)
        world.now += 60
        world.run(CONTROLLER)
        assert jobs(world) == expected, policy
        if policy == "Forbid":
            assert "JobAlreadyActive" in [reason for reason, _ in world.told]
            finish(world, name())
            world.run(CONTROLLER)
            assert jobs(world) == [name(), name(1)]


def test_a_moment_past_its_deadline_is_missed_and_told() -> None:
    world = world_at(MINUTE + 40, schedule="0 0 1 1 *", startingDeadlineSeconds=20)
    world.run(CONTROLLER)
    assert jobs(world) == []
    late = world_at(MINUTE + 40, startingDeadlineSeconds=20)
    late.run(CONTROLLER)
    assert jobs(late) == []


def test_while_suspended_nothing_is_made_and_history_is_kept_short() -> None:
    world = world_at(MINUTE + 0.2)
    for _ in range(6):
        world.run(CONTROLLER)
        finish(world, jobs(world)[-1])
        world.now += 60
    world.get(CRONJOBS, "tick")["spec"]["suspend"] = True
    world.run(CONTROLLER)
    assert jobs(world) == [name(3), name(4), name(5)]
    assert status(world)["lastSuccessfulTime"] == rfc3339(MINUTE + 300)
    assert "active" not in status(world)
    assert ("SawCompletedJob", f"Saw completed job: {name()}, condition: Complete") in world.told


def test_a_job_made_by_hand_is_told_and_not_counted() -> None:
    world = world_at(MINUTE - 1)
    by_hand = {"metadata": {"name": "hand", "annotations": {"cronjob.kubernetes.io/instantiate": "manual"}}}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "tick", "uid": "cron-uid", "controller": True}
    by_hand["metadata"]["ownerReferences"] = [owner]
    world.add(JOBS, {**by_hand, "spec": {}})
    world.run(CONTROLLER)
    assert "active" not in status(world)
    assert "UnexpectedJob" in [reason for reason, _ in world.told]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"schedule": "nonsense"}, "UnparseableSchedule"), ({"timeZone": "Mars/Olympus"}, "UnknownTimeZone")],
)
def test_what_cannot_be_understood_is_told(change: Json, reason: str) -> None:
    world = world_at(MINUTE + 0.2, **change)
    world.run(CONTROLLER)
    assert jobs(world) == []
    assert reason in [each for each, _ in world.told]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["", "Complete", "Failed"])), max_size=8),
    st.sampled_from(["Allow", "Forbid", "Replace"]),
)
def test_from_any_course_of_time_it_rests_with_one_job_a_moment(steps: list[tuple[int, str]], policy: str) -> None:
    world = world_at(MINUTE + 0.2, concurrencyPolicy=policy)
    world.add(JOBS, {"metadata": {"name": "stranger", "labels": {"of": "tick"}}, "spec": {}})
    made: list[str] = []
    for seconds, how in steps:
        before = set(jobs(world))
        world.run(CONTROLLER)
        made += [each for each in jobs(world) if each not in before]
        if how:
            for each in world.all(JOBS):
                if each["metadata"]["name"] != "stranger" and not each.get("status"):
                    finish(world, each["metadata"]["name"], how)
        world.now += seconds
    world.run(CONTROLLER)
    assert len(made) == len(set(made))
    assert "stranger" in jobs(world)
    running = [each for each in world.all(JOBS) if not each.get("status") and each["metadata"]["name"] != "stranger"]
    if policy != "Allow":
        assert len(running) <= 1
