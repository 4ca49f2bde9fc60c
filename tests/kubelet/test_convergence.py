"""From any start a Pod comes to rest: decisions carried out at once, on a clock that jumps to the next wake."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.core.pod import Pod
from podling.env import rfc3339
from podling.kubelet import podsync
from podling.kubelet.podstate import Attempt, Facts, PodState, is_sidecar
from podling.kubelet.podstatus import status_of
from podling.kubelet.podsync import Action, decide
from tests.kubelet.pods import NOW, SANDBOX, ended, pod, run

MOST_STEPS = 200


class Simulation:
    """A node where everything succeeds at once; `codes` says how the runs of each container end, then it runs on."""

    def __init__(self, of: Pod, state: PodState, codes: dict[str, list[int]]) -> None:
        self.pod, self.state, self.codes = of, state, codes
        self.now = NOW
        self.facts = Facts()
        self.finished: podsync.Finish | None = None
        self.status: dict[str, Any] = {}
        self.started: list[str] = []

    def rest(self) -> None:
        """Until nothing is to be done and nothing is waited for. Raises AssertionError if that never comes."""
        for _ in range(MOST_STEPS):
            plan = decide(self.pod, self.state, self.facts, self.now)
            self.status = status_of(self.pod, self.state, self.facts, self.status, "172.31.0.2", "fake", self.now)
            for action in plan.actions:
                self._do(action)
            if self.finished is not None or (not plan.actions and plan.wake is None and not self._end_one()):
                return
            if not plan.actions and plan.wake is not None:
                assert plan.wake > self.now, "a wake in the past would spin"
                self.now = plan.wake
        raise AssertionError("it never rests")

    def _do(self, action: Action) -> None:
        match action:
            case podsync.Prepare():
                self.facts = msgspec.structs.replace(self.facts, volumes_ready=True)
            case podsync.RunSandbox():
                fresh = msgspec.structs.replace(SANDBOX, id=f"new-{len(self.started)}")
                self.state = self.state.with_sandbox(fresh)
            case podsync.Start():
                self._start(action)
            case podsync.Kill():
                self._end(self._run(action.id), 137)
            case podsync.Discard():
                self.state = self.state.without(action.id)
            case podsync.StopPod():
                for one in self.state.all():
                    if one.state != "exited":
                        self._end(one, 143)
                if self.state.sandbox is not None:
                    self.state = self.state.with_sandbox(msgspec.structs.replace(self.state.sandbox, ready=False))
                self.facts = msgspec.structs.replace(self.facts, stopped=True)
            case podsync.Finish():
                self.finished = action
            case _:
                raise AssertionError(f"not expected here: {action}")

    def _start(self, step: podsync.Start) -> None:
        last, sandbox = self.state.last(step.name), self.state.sandbox
        assert sandbox is not None
        assert last is None or last.state == "exited", "two runs of one container at a time"
        assert step.number == (0 if last is None else last.number + 1)
        self.started.append(step.name)
        self.state = self.state.with_attempt(
            run(
                step.name, step.number, sandbox=sandbox.id, created_at=self.now, started_at=self.now, backoff=step.delay
            )
        )

    def _end_one(self) -> bool:
        """Let the first running container whose script says so end, a second after its start."""
        for one in self.state.all():
            if one.state == "running" and self.codes.get(one.name):
                self.now += 1
                self._end(one, self.codes[one.name].pop(0))
                return True
        return False

    def _end(self, one: Attempt, code: int) -> None:
        self.state = self.state.with_attempt(
            msgspec.structs.replace(one, state="exited", exit_code=code, finished_at=self.now)
        )

    def _run(self, id: str) -> Attempt:
        return next(one for one in self.state.all() if one.id == id)


CODES = st.lists(st.sampled_from([0, 1]), max_size=3)
START = st.sampled_from(["none", "running", "exited", "created", "lost"])
NAMES = ("setup", "mesh", "a", "b")


def start_state(kinds: dict[str, str]) -> PodState:
    state = PodState(sandbox=SANDBOX)
    for name, kind in kinds.items():
        match kind:
            case "running":
                state = state.with_attempt(run(name))
            case "created":
                state = state.with_attempt(run(name, state="created"))
            case "exited":
                state = state.with_attempt(ended(name, code=1, ago=5, backoff=10.0))
            case "lost":
                state = state.with_attempt(ended(name, code=137, sandbox=""))
    return state


@given(
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.fixed_dictionaries(dict.fromkeys(NAMES, CODES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, START)),
    st.booleans(),
)
def test_every_pod_comes_to_rest_in_a_state_that_fits_its_policy(
    policy: str, codes: dict[str, list[int]], kinds: dict[str, str], deleted: bool
) -> None:
    codes["setup"] = [*codes["setup"], 0]
    spec = {
        "restartPolicy": policy,
        "initContainers": [
            {"name": "setup", "image": "app"},
            {"name": "mesh", "image": "app", "restartPolicy": "Always"},
        ],
        "containers": [{"name": "a", "image": "app"}, {"name": "b", "image": "app"}],
    }
    meta = {"deletionTimestamp": rfc3339(NOW)} if deleted else {}
    simulation = Simulation(pod(spec, **meta), start_state(kinds), codes)
    simulation.rest()
    running = [one.name for one in simulation.state.all() if one.state == "running"]
    if deleted:
        assert simulation.finished == podsync.Finish(delete=True)
        assert simulation.started == []
    if simulation.finished is not None:
        assert running == []
        assert policy != "Always" or deleted
    else:
        assert {"a", "b"} & set(running)
        assert policy != "Always" or {"a", "b", "mesh"} <= set(running)
    assert not any(is_sidecar(c) and c.name in running for c in simulation.pod.spec.init_containers) or not (
        simulation.finished
    )
