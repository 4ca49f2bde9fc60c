"""The rules of a Pod's life, as tables of what is known and what has to be done."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.env import rfc3339
from podling.kubelet.podstate import Facts, Failure, PodState, Probed, Waiting
from podling.kubelet.podsync import (
    BackOffPull,
    Discard,
    FailPod,
    Finish,
    Kill,
    Plan,
    Prepare,
    RunSandbox,
    Start,
    StopPod,
    decide,
)
from tests.kubelet.pods import NOW, UP, ended, having, pod, run

READY = Facts(volumes_ready=True)
INIT = {"initContainers": [{"name": "first", "image": "app"}, {"name": "second", "image": "app"}]}
SIDECAR = {"initContainers": [{"name": "mesh", "image": "app", "restartPolicy": "Always"}]}


def actions(*args: Any, facts: Facts = READY, now: float = NOW) -> tuple[Any, ...]:
    return decide(*args, facts, now).actions


def test_a_new_pod_gets_volumes_and_a_sandbox_together() -> None:
    assert actions(pod(), PodState(), facts=Facts()) == (Prepare(), RunSandbox())


def test_nothing_is_done_twice_while_the_set_up_is_under_way() -> None:
    assert actions(pod(), PodState(), facts=Facts(busy=frozenset({""}))) == ()


def test_a_failed_set_up_waits_for_its_time() -> None:
    waiting = Facts(waiting={"": Waiting("ContainerCreating", "no", NOW, NOW + 3)})
    assert decide(pod(), PodState(), waiting, NOW) == Plan(wake=NOW + 3)
    assert actions(pod(), PodState(), facts=waiting, now=NOW + 3) == (Prepare(), RunSandbox())


def test_all_containers_start_at_once() -> None:
    two = pod({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]})
    assert actions(two, UP) == (Start("a", 0), Start("b", 0))


def test_a_running_pod_is_left_alone() -> None:
    assert decide(pod(), having(run()), READY, NOW) == Plan()


def test_the_first_restart_is_immediate_and_carries_ten_seconds() -> None:
    assert actions(pod(), having(ended(code=1))) == (Start("main", 1, 10.0),)


def test_the_second_restart_waits_ten_seconds_from_the_end() -> None:
    crashed = having(ended(number=1, code=1, ago=4, backoff=10.0))
    assert decide(pod(), crashed, READY, NOW) == Plan(wake=NOW + 6, held_back=("main",))
    assert actions(pod(), crashed, now=NOW + 6) == (Start("main", 2, 20.0),)


def test_the_back_off_never_exceeds_five_minutes() -> None:
    crashed = having(ended(number=9, code=1, ago=300, backoff=300.0, created_at=NOW - 301))
    assert actions(pod(), crashed) == (Start("main", 10, 300.0),)


def test_a_run_of_over_ten_minutes_forgives_the_failures_before() -> None:
    crashed = having(ended(number=9, code=1, backoff=300.0, created_at=NOW - 601))
    assert actions(pod(), crashed) == (Start("main", 10, 10.0),)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True),
     ("Never", 0, False), ("Never", 1, False)],
)  # fmt: skip
def test_the_restart_policy_decides(policy: str, code: int, again: bool) -> None:
    got = actions(pod({"restartPolicy": policy}), having(ended(code=code)))
    assert got == ((Start("main", 1, 10.0),) if again else (StopPod(30.0),))


def test_a_finished_pod_loses_its_sandbox_and_is_finished_but_not_deleted() -> None:
    state = having(ended())
    never = pod({"restartPolicy": "Never"})
    assert actions(never, state) == (StopPod(30.0),)
    assert actions(never, state, facts=Facts(volumes_ready=True, stopped=True)) == (Finish(delete=False),)


def test_one_of_two_containers_ending_under_never_does_not_end_the_pod() -> None:
    two = pod({"restartPolicy": "Never", "containers": [{"name": "a", "image": "app"}, {"name": "b", "image": "app"}]})
    assert actions(two, having(ended("a", code=1), run("b"))) == ()


def test_init_containers_run_one_after_another() -> None:
    assert actions(pod(INIT), UP) == (Start("first", 0),)
    assert actions(pod(INIT), having(run("first"))) == ()
    assert actions(pod(INIT), having(ended("first"))) == (Start("second", 0),)
    assert actions(pod(INIT), having(ended("first"), ended("second"))) == (Start("main", 0),)


def test_a_failing_init_container_is_repeated_with_back_off() -> None:
    assert actions(pod(INIT), having(ended("first", code=1))) == (Start("first", 1, 10.0),)


def test_a_failing_init_container_fails_a_pod_that_never_restarts() -> None:
    assert actions(pod({**INIT, "restartPolicy": "Never"}), having(ended("first", code=1))) == (StopPod(30.0),)


def test_a_sidecar_must_have_started_before_the_rest() -> None:
    probed = {"initContainers": [{**SIDECAR["initContainers"][0], "startupProbe": {"exec": {"command": ["x"]}}}]}
    state = having(run("mesh"))
    assert actions(pod(SIDECAR), UP) == (Start("mesh", 0),)
    assert actions(pod(probed), state) == ()
    started = Facts(volumes_ready=True, probes={"mesh-0": Probed(started=True)})
    assert actions(pod(probed), state, facts=started) == (Start("main", 0),)


def test_a_sidecar_that_ended_is_started_again_beside_the_containers() -> None:
    assert actions(pod(SIDECAR), having(ended("mesh"), run())) == (Start("mesh", 1, 10.0),)


def test_a_sidecar_does_not_keep_a_finished_pod_alive() -> None:
    assert actions(pod({**SIDECAR, "restartPolicy": "Never"}), having(run("mesh"), ended())) == (StopPod(30.0),)


@pytest.mark.parametrize("failed", ["Liveness", "Startup"])
def test_a_failed_probe_kills_the_container(failed: str) -> None:
    facts = Facts(volumes_ready=True, probes={"main-0": Probed(failed=failed)})
    why = f"Container main failed {failed.lower()} probe, will be restarted"
    assert actions(pod(), having(run()), facts=facts) == (Kill("main", "main-0", 30.0, why),)


def test_a_probe_may_bring_its_own_grace() -> None:
    probe = {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 5}
    wanted = pod({"containers": [{"name": "main", "image": "app", "livenessProbe": probe}]})
    facts = Facts(volumes_ready=True, probes={"main-0": Probed(failed="Liveness")})
    assert actions(wanted, having(run()), facts=facts)[0].grace == 5.0


def test_a_new_image_replaces_the_running_container() -> None:
    [kill] = actions(pod(), having(run(spec_image="old")))
    assert kill.why == "Container main definition changed, will be restarted"


def test_a_container_that_was_created_but_never_started_is_discarded() -> None:
    """A kubelet died between create and start."""
    assert actions(pod(), having(run(state="created"))) == (Discard("main", "main-0"),)


def test_a_failed_pull_is_first_an_error_then_a_back_off() -> None:
    facts = Facts(volumes_ready=True, waiting={"main": Waiting("ErrImagePull", "no", NOW, NOW + 10, 10.0)})
    assert decide(pod(), UP, facts, NOW) == Plan(wake=NOW + 2)
    assert decide(pod(), UP, facts, NOW + 2) == Plan((BackOffPull("main"),), wake=NOW + 10)
    assert actions(pod(), UP, facts=facts, now=NOW + 10) == (Start("main", 0),)


def test_a_deleted_pod_is_stopped_with_its_grace_then_taken_out_of_the_api() -> None:
    gone = pod(deletionTimestamp=rfc3339(NOW), deletionGracePeriodSeconds=7)
    assert actions(gone, having(run())) == (StopPod(7.0),)
    assert actions(gone, having(ended()), facts=Facts(stopped=True)) == (Finish(delete=True),)


def test_a_deleted_pod_that_never_came_up_is_finished_at_once() -> None:
    assert actions(pod(deletionTimestamp=rfc3339(NOW)), PodState(), facts=Facts()) == (Finish(delete=True),)


def test_a_pod_deleted_by_force_is_given_the_shortest_grace() -> None:
    assert actions(pod(), having(run()), facts=Facts(removed=True)) == (StopPod(2.0),)


def test_a_deletion_while_the_sandbox_is_made_stops_it_first() -> None:
    gone = pod(deletionTimestamp=rfc3339(NOW))
    assert actions(gone, PodState(), facts=Facts(busy=frozenset({""}))) == (StopPod(30.0),)


def test_a_deadline_fails_the_pod() -> None:
    late = pod({"activeDeadlineSeconds": 5}, status={"startTime": rfc3339(NOW - 5)})
    assert actions(late, having(run())) == (
        FailPod("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"),
    )
    soon = pod({"activeDeadlineSeconds": 5}, status={"startTime": rfc3339(NOW - 2)})
    assert decide(soon, having(run()), READY, NOW) == Plan(wake=NOW + 3)
    assert actions(soon, having(run()), facts=Facts(failure=Failure("x", "y"))) == (StopPod(30.0),)
    assert actions(soon, having(run()), facts=Facts(failure=Failure("x", "y", at_once=True))) == (StopPod(2.0),)


def test_a_pod_the_api_calls_finished_is_never_started_again() -> None:
    assert actions(pod(status={"phase": "Succeeded"}), PodState(), facts=Facts()) == (Finish(delete=False),)


def test_after_the_loss_of_its_sandbox_a_pod_starts_anew_with_counted_restarts() -> None:
    """The cluster was stopped and started: containers of the former sandbox count, but nobody waits for them."""
    lost = having(ended(number=3, code=137, sandbox="", backoff=300.0), state=PodState())
    assert actions(pod(), lost, facts=Facts()) == (Prepare(), RunSandbox())
    assert actions(pod(), msgspec.structs.replace(lost, sandbox=UP.sandbox)) == (Start("main", 4, 0.0),)


def test_a_pod_that_never_restarts_is_not_repeated_after_the_loss_of_its_sandbox() -> None:
    lost = having(ended(code=137, sandbox=""), state=PodState())
    assert actions(pod({"restartPolicy": "Never"}), lost, facts=Facts()) == (Finish(delete=False),)


def test_init_containers_run_again_in_a_new_sandbox() -> None:
    before = having(ended("first", sandbox="old"), ended("second", sandbox="old"), ended(sandbox="old", code=1))
    assert actions(pod(INIT), before) == (Start("first", 1),)


RUNS = st.lists(
    st.tuples(st.sampled_from(["running", "exited", "created"]), st.integers(0, 2), st.floats(0, 400)), max_size=3
)


@given(st.sampled_from(["Always", "OnFailure", "Never"]), RUNS, st.booleans(), st.booleans())
def test_a_decision_rests_or_changes_something(policy: str, runs: Any, deleted: bool, stopped: bool) -> None:
    """From any state: no container that runs is started, none twice, and a Pod that is deleted starts nothing."""
    names = ["a", "b", "c"]
    spec = {"restartPolicy": policy, "containers": [{"name": name, "image": "app"} for name in names]}
    meta = {"deletionTimestamp": rfc3339(NOW)} if deleted else {}
    state = UP
    for name, (kind, code, ago) in zip(names, runs, strict=False):
        made = ended(name, code=code, ago=ago, backoff=10.0) if kind == "exited" else run(name, state=kind)
        state = state.with_attempt(made)
    plan = decide(pod(spec, **meta), state, Facts(volumes_ready=True, stopped=stopped), NOW)
    starts = [action for action in plan.actions if isinstance(action, Start)]
    assert len({start.name for start in starts}) == len(starts)
    for start in starts:
        last = state.last(start.name)
        assert last is None or last.state == "exited"
        assert start.number == (0 if last is None else last.number + 1)
    assert not (deleted and starts)
    assert plan.wake is None or plan.wake > NOW
