"""What kubectl shows of a Pod, as tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.env import rfc3339
from podling.kubelet.podstate import Facts, Failure, PodState, Probed, Waiting
from podling.kubelet.podstatus import patch_between, status_of
from tests.kubelet.pods import NOW, UP, ended, having, pod, run

NEVER = {"restartPolicy": "Never"}
INIT = {"initContainers": [{"name": "first", "image": "app"}]}
TWO = {"containers": [{"name": "a", "image": "app"}, {"name": "b", "image": "app"}]}


def status(
    of: Any, state: PodState, facts: Facts | None = None, before: dict[str, Any] | None = None, now: float = NOW
) -> dict[str, Any]:
    return status_of(of, state, facts or Facts(), before or {}, "172.31.0.2", "crun", now)


def condition(of: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(c for c in of["conditions"] if c["type"] == kind)


def main(of: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of["containerStatuses"][0]
    return found


@pytest.mark.parametrize(
    ("spec", "state", "phase"),
    [
        ({}, PodState(), "Pending"),
        ({}, UP, "Pending"),
        ({}, having(run()), "Running"),
        (TWO, having(run("a")), "Pending"),
        ({}, having(ended()), "Running"),
        (NEVER, having(ended()), "Succeeded"),
        (NEVER, having(ended(code=1)), "Failed"),
        ({**NEVER, **TWO}, having(ended("a", code=1), run("b")), "Running"),
        ({"restartPolicy": "OnFailure"}, having(ended(code=1)), "Running"),
        ({"restartPolicy": "OnFailure"}, having(ended()), "Succeeded"),
        (INIT, having(run("first")), "Pending"),
        ({**INIT, **NEVER}, having(ended("first", code=1)), "Failed"),
        (INIT, having(ended("first", code=1)), "Pending"),
        (INIT, having(ended("first"), run()), "Running"),
    ],
)  # fmt: skip
def test_the_phase(spec: dict[str, Any], state: PodState, phase: str) -> None:
    assert status(pod(spec), state)["phase"] == phase


def test_a_deleted_pod_ends_failed_or_succeeded_whatever_its_restart_policy() -> None:
    gone = pod(deletionTimestamp=rfc3339(NOW))
    assert status(gone, having(ended(code=143)))["phase"] == "Failed"
    assert status(gone, having(ended()))["phase"] == "Succeeded"
    assert status(gone, having(run()))["phase"] == "Running"


def test_a_phase_once_final_stays() -> None:
    assert status(pod(), having(run()), before={"phase": "Failed", "reason": "Evicted"})["phase"] == "Failed"


def test_a_coming_container_waits_as_container_creating() -> None:
    shown = main(status(pod(), UP))
    assert shown["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert (shown["ready"], shown["started"], shown["restartCount"], shown["lastState"]) == (False, False, 0, {})
    assert "containerID" not in shown


def test_behind_init_containers_it_waits_as_pod_initializing() -> None:
    assert main(status(pod(INIT), UP))["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_a_running_container() -> None:
    shown = main(status(pod(), having(run())))
    assert shown == {
        "name": "main",
        "state": {"running": {"startedAt": rfc3339(NOW - 100)}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": "docker.io/library/app:latest",
        "imageID": "sha256:1",
        "containerID": "crun://main-0",
        "started": True,
    }


def test_a_crash_loop_shows_the_pause_and_the_last_end() -> None:
    shown = main(status(pod(), having(ended(number=2, code=3, ago=5, backoff=20.0, message="boom"))))
    words = "back-off 20s restarting failed container=main pod=web_default(uid-1)"
    assert shown["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": words}}
    assert shown["restartCount"] == 2
    assert shown["lastState"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "message": "boom",
        "startedAt": rfc3339(NOW - 100),
        "finishedAt": rfc3339(NOW - 5),
        "containerID": "crun://main-2",
    }


def test_long_pauses_read_as_in_go() -> None:
    shown = main(status(pod(), having(ended(number=9, code=3, backoff=300.0))))
    assert "back-off 5m0s restarting" in shown["state"]["waiting"]["message"]


def test_between_an_end_and_an_immediate_restart_the_end_is_shown() -> None:
    shown = main(status(pod(), having(ended(code=1))))
    assert shown["state"]["terminated"]["exitCode"] == 1
    assert not shown["ready"]


def test_after_a_restart_the_former_run_is_the_last_state() -> None:
    shown = main(status(pod(), having(ended(number=0, code=1, ago=9), run(number=1))))
    assert (shown["restartCount"], shown["lastState"]["terminated"]["exitCode"]) == (1, 1)
    assert shown["containerID"] == "crun://main-1"


def test_a_reason_to_wait_is_said() -> None:
    facts = Facts(waiting={"main": Waiting("ErrImagePull", "no such host", NOW, NOW + 10)})
    assert main(status(pod(), UP, facts))["state"]["waiting"] == {"reason": "ErrImagePull", "message": "no such host"}


def test_a_pod_ready_in_everything() -> None:
    got = status(pod(), having(run()))
    assert {c["type"]: c["status"] for c in got["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert (got["podIP"], got["podIPs"], got["hostIP"]) == ("10.244.0.5", [{"ip": "10.244.0.5"}], "172.31.0.2")
    assert (got["observedGeneration"], got["qosClass"], got["startTime"]) == (1, "BestEffort", rfc3339(NOW))


def test_a_failing_readiness_probe_makes_the_pod_unready() -> None:
    got = status(pod(), having(run()), Facts(probes={"main-0": Probed(ready=False)}))
    ready = condition(got, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [main]"
    assert got["phase"] == "Running"


def test_a_container_with_a_readiness_probe_is_unready_until_it_answered() -> None:
    probe = {"httpGet": {"port": 80}}
    wanted = pod({"containers": [{"name": "main", "image": "app", "readinessProbe": probe}]})
    assert condition(status(wanted, having(run())), "Ready")["status"] == "False"


def test_incomplete_init_containers_are_named() -> None:
    initialized = condition(status(pod(INIT), having(run("first"))), "Initialized")
    assert (initialized["reason"], initialized["message"]) == (
        "ContainersNotInitialized",
        "containers with incomplete status: [first]",
    )


def test_a_completed_pod_is_not_ready_because_it_completed() -> None:
    got = status(pod(NEVER), having(ended()))
    assert condition(got, "Ready")["reason"] == "PodCompleted"
    assert condition(got, "Initialized")["reason"] == "PodCompleted"


@pytest.mark.parametrize(
    ("conditions", "ready", "message"),
    [
        ([], "False", 'corresponding condition of pod readiness gate "x/y" does not exist.'),
        ([{"type": "x/y", "status": "False"}], "False",
         'the status of pod readiness gate "x/y" is not "True", but False'),
        ([{"type": "x/y", "status": "True"}], "True", None),
    ],
)  # fmt: skip
def test_readiness_gates(conditions: list[dict[str, str]], ready: str, message: str | None) -> None:
    gated = pod({"readinessGates": [{"conditionType": "x/y"}]}, status={"conditions": conditions})
    got = status(gated, having(run()))
    assert condition(got, "Ready")["status"] == ready
    assert condition(got, "Ready").get("message") == message
    assert condition(got, "ContainersReady")["status"] == "True"


def test_a_failed_pod_says_why() -> None:
    facts = Facts(failure=Failure("DeadlineExceeded", "too long"), stopped=True)
    got = status(pod(), having(ended(code=137)), facts)
    assert (got["phase"], got["reason"], got["message"]) == ("Failed", "DeadlineExceeded", "too long")


def test_a_transition_time_moves_only_with_the_status() -> None:
    before = status(pod(), having(run()), now=NOW - 50)
    after = status(pod(), having(run()), before=before)
    assert condition(after, "Ready")["lastTransitionTime"] == rfc3339(NOW - 50)
    unready = status(pod(), having(run()), Facts(probes={"main-0": Probed(ready=False)}), before=before)
    assert condition(unready, "Ready")["lastTransitionTime"] == rfc3339(NOW)
    assert condition(unready, "Initialized")["lastTransitionTime"] == rfc3339(NOW - 50)


def test_the_address_is_kept_when_the_sandbox_is_gone() -> None:
    before = status(pod(NEVER), having(run()))
    assert status(pod(NEVER), PodState(attempts=having(ended()).attempts), before=before)["podIP"] == "10.244.0.5"


def test_nothing_is_written_when_nothing_changed() -> None:
    before = status(pod(), having(run()))
    assert patch_between(before, status(pod(), having(run()), before=before, now=NOW + 60)) is None


def test_a_patch_holds_only_what_changed() -> None:
    before = status(pod(), having(run()), now=NOW - 50)
    after = status(pod(), having(run()), Facts(probes={"main-0": Probed(ready=False)}), before=before)
    patch = patch_between(before, after)
    assert patch is not None
    assert sorted(patch) == ["conditions", "containerStatuses"]
    assert [c["type"] for c in patch["conditions"]] == ["Ready", "ContainersReady"]
    back = patch_between(after, before)
    assert back is not None
    assert back["conditions"][0]["reason"] is None


def test_a_new_address_replaces_the_old_one() -> None:
    before = status(pod(), having(run()))
    assert UP.sandbox is not None
    moved = having(run(), state=PodState(sandbox=msgspec.structs.replace(UP.sandbox, ip="10.244.0.9")))
    patch = patch_between(before, status(pod(), moved, before=before))
    assert patch is not None
    assert patch["podIPs"] == [{"ip": "10.244.0.5", "$patch": "delete"}, {"ip": "10.244.0.9"}]


@given(
    st.lists(st.tuples(st.sampled_from(["none", "running", "exited"]), st.integers(0, 2)), min_size=2, max_size=2),
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.booleans(),
)
def test_a_ready_pod_runs_and_a_final_one_does_not(runs: list[tuple[str, int]], policy: str, deleted: bool) -> None:
    state = UP
    for name, (kind, code) in zip(("a", "b"), runs, strict=True):
        if kind != "none":
            state = state.with_attempt(ended(name, code=code) if kind == "exited" else run(name))
    meta = {"deletionTimestamp": rfc3339(NOW)} if deleted else {}
    got = status(pod({**TWO, "restartPolicy": policy}, **meta), state)
    kinds = [kind for kind, _ in runs]
    if condition(got, "Ready")["status"] == "True":
        assert got["phase"] == "Running"
        assert kinds == ["running", "running"]
    if got["phase"] in ("Succeeded", "Failed"):
        assert "running" not in kinds
