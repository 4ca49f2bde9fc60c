"""The life of a simulated Pod, step by step, as a pure function of its status and the clock."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.pod import Pod
from podling.env import parse_rfc3339, rfc3339
from podling.simulatednodes.podlife import Place, Step, step
from podling.simulatednodes.stages import BadStages, Life, life_of, rules_of

PLACE = Place("100.64.0.1", "100.64.0.2")
BEGIN = 1_700_000_000.0


def made(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "default", "uid": "u", "labels": {"app": "web"}}
    metadata |= spec.pop("metadata", {})
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "x"}], "nodeName": "n"} | spec}


def pod(body: dict[str, Any]) -> Pod:
    """As the API would hand it out: a null takes a key away."""
    for each in body.get("status", {}).get("conditions", ()):
        for key in [key for key, value in each.items() if value is None]:
            del each[key]
    return msgspec.convert(body, Pod)


def lived(body: dict[str, Any], seconds: float, **declared: Any) -> list[tuple[float, dict[str, Any]]]:
    """All statuses within some seconds, with their times since the beginning."""
    life, now, since = _life(declared), BEGIN, None
    told = []
    while now <= BEGIN + seconds:
        taken = step(pod(body), life, PLACE, now, since)
        if taken.status is not None:
            others = {each["type"]: each for each in body.get("status", {}).get("conditions", ())}
            merged = others | {each["type"]: each for each in taken.status["conditions"]}
            body["status"] = taken.status | {"conditions": list(merged.values())}
            told.append((round(now - BEGIN, 3), taken.status))
            since = now if taken.begins else since
            continue
        if taken.due is None:
            break
        now = taken.due
    return told


def _life(declared: dict[str, Any]) -> Life:
    return rules_of({"stages": [{key.replace("_", "-"): value for key, value in declared.items()}]})[0].life


def condition(status: dict[str, Any], kind: str) -> str:
    return str(next(each["status"] for each in status["conditions"] if each["type"] == kind))


def test_a_pod_of_which_nothing_is_declared_runs_and_is_ready_at_once() -> None:
    ((at, status),) = lived(made(), 100)
    assert (at, status["phase"], condition(status, "Ready")) == (0, "Running", "True")
    assert (status["podIP"], status["hostIP"]) == ("100.64.0.2", "100.64.0.1")
    (container,) = status["containerStatuses"]
    assert container["ready"]
    assert container["state"] == {"running": {"startedAt": rfc3339(BEGIN)}}


def test_delays_pass_through_creating_running_and_ready() -> None:
    told = lived(made(), 100, start_after="2s", ready_after="500ms")
    assert [(at, s["phase"], condition(s, "Ready")) for at, s in told] == [
        (0, "Pending", "False"),
        (2, "Running", "False"),
        (2.5, "Running", "True"),
    ]
    assert told[0][1]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(("code", "phase", "reason"), [(0, "Succeeded", "Completed"), (3, "Failed", "Error")])
def test_a_pod_that_is_not_restarted_ends_with_its_exit_code(code: int, phase: str, reason: str) -> None:
    told = lived(made(restartPolicy="Never"), 100, run_for="5s", exit_code=code)
    assert [(at, s["phase"]) for at, s in told] == [(0, "Running"), (5, phase)]
    ended = told[-1][1]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["finishedAt"]) == (code, reason, rfc3339(BEGIN + 5))


def test_a_container_that_keeps_failing_is_restarted_ever_later() -> None:
    told = lived(made(restartPolicy="OnFailure"), 60, run_for="1s", exit_code=1)
    starts = [at for at, s in told if "running" in s["containerStatuses"][0]["state"]]
    assert starts == [0, 1, 12, 33]
    waits = [s["containerStatuses"][0]["state"]["waiting"]["reason"] for _, s in told if not _runs(s)]
    assert waits == ["ContainerCreating", "CrashLoopBackOff", "CrashLoopBackOff", "CrashLoopBackOff"]
    assert [s["containerStatuses"][0]["restartCount"] for _, s in told] == [0, 1, 1, 2, 2, 3, 3, 4]


def _runs(status: dict[str, Any]) -> bool:
    return "running" in status["containerStatuses"][0]["state"]


def test_a_share_of_the_runs_fails() -> None:
    life = Life(exit_code=1, failure_rate=0.3)
    assert 200 < sum(life.ends_with(f"pod-{number}") for number in range(1000)) < 400


def test_a_pod_may_wait_for_ever_and_say_why() -> None:
    ((_, status),) = lived(made(), 1000, waiting_reason="ImagePullBackOff")
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ImagePullBackOff"}}
    assert status["phase"] == "Pending"


def test_a_deleted_pod_stays_as_declared_and_never_longer_than_its_grace() -> None:
    def deleted(grace: int) -> dict[str, Any]:
        stamp = rfc3339(BEGIN + grace)
        return made(metadata={"deletionTimestamp": stamp, "deletionGracePeriodSeconds": grace})

    assert step(pod(deleted(30)), Life(), PLACE, BEGIN) == Step(gone=True)
    slow = _life({"stop_after": "20s"})
    assert step(pod(deleted(30)), slow, PLACE, BEGIN) == Step(due=BEGIN + 20)
    assert step(pod(deleted(5)), slow, PLACE, BEGIN) == Step(due=BEGIN + 5)


def test_readiness_gates_are_heeded() -> None:
    body = made(readinessGates=[{"conditionType": "example.com/ok"}])
    ((_, status),) = lived(body, 10)
    assert condition(status, "Ready") == "False"
    body["status"]["conditions"].append({"type": "example.com/ok", "status": "True"})
    ((_, after),) = lived(body, 10)
    assert condition(after, "Ready") == "True"


def test_the_first_rule_that_concerns_a_pod_counts_and_an_annotation_more() -> None:
    rules = rules_of(
        {
            "stages": [
                {"when": {"labels": {"app": "db"}}, "start-after": "9s"},
                {"when": {"namespace": "default", "node": {"zone": "a"}}, "start-after": "2s", "run-for": 7},
            ]
        }
    )
    here = life_of(pod(made()), {"zone": "a"}, rules)
    assert (here.start_after.least, here.run_for and here.run_for.least) == (2, 7)
    assert life_of(pod(made()), {"zone": "b"}, rules) == Life()
    own = made(metadata={"annotations": {"podling.dev/start-after": "1s"}})
    assert life_of(pod(own), {"zone": "a"}, rules).start_after.least == 1


def test_pods_of_a_job_are_done_after_a_second() -> None:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": True}
    body = made(restartPolicy="Never", metadata={"ownerReferences": [owner]})
    life = life_of(pod(body), {}, ())
    body["status"] = step(pod(body), life, PLACE, BEGIN).status
    assert step(pod(body), life, PLACE, BEGIN).due == BEGIN + 1


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({}, "a list `stages` is wanted"),
        ({"stages": [{"start-after": "soon"}]}, r"stages\[0\].start-after: 'soon' is no length"),
        ({"stages": [{"begin": "1s"}]}, "there is no such stage"),
        ({"stages": [{"when": {"phase": "x"}}]}, "unknown: phase"),
    ],
)
def test_stages_that_make_no_sense_are_refused_in_words(declared: Any, message: str) -> None:
    with pytest.raises(BadStages, match=message):
        rules_of(declared)


def test_a_new_process_goes_on_from_what_the_status_says() -> None:
    body = made(restartPolicy="Never")
    life = _life({"run_for": "60s"})
    body["status"] = step(pod(body), life, PLACE, BEGIN).status
    later = step(pod(body), life, PLACE, BEGIN + 10, since=None)
    assert later.due == parse_rfc3339(rfc3339(BEGIN)) + 60
