"""The next thing that happens to a simulated Pod, from its status and the clock. Pure.

What was reported is all that is remembered, so a new process goes on where the last one ended; only the exact moment
of a step (a status knows whole seconds) is handed in by whoever saw it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from podling.api.kinds.core.container import Container
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podstatus import ContainerStatus
from podling.env import rfc3339
from podling.reconcile import pods, resizing
from podling.reconcile.resizing import PENDING, Refusal
from podling.simulatednodes.marks import RUNTIME
from podling.simulatednodes.resizing import allotted, begins_anew, differs
from podling.simulatednodes.stages import Life

Json = dict[str, Any]
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 300.0


class Place(msgspec.Struct, frozen=True):
    """The addresses of the node and of the Pod on it."""

    host_ip: str
    pod_ip: str


class Step(msgspec.Struct, frozen=True):
    """`status` to write (None: nothing), `gone`: the Pod is to be let go, `due`: look again then (wall clock)."""

    status: Json | None = None
    gone: bool = False
    due: float | None = None
    begins: bool = True
    """A new state begins with this status."""
    event: tuple[Literal["Normal", "Warning"], str, str] | None = None
    """Type, reason and message of what is told when the status was written."""


RESTING = Step()


def step(
    pod: Pod, life: Life, place: Place, now: float, since: float | None = None, refusal: Refusal | None = None
) -> Step:
    """`since` is when the present state began, where that is known better than the status says; `refusal` says why the
    node cannot give the resources that the spec wants instead of those that the status tells."""
    if pod.metadata.deletion_timestamp is not None:
        return _ending(pod, life, now, since)
    if pods.is_finished(pod):
        return RESTING
    report = _Report(pod, place, now, refusal)
    seed = pod.metadata.uid
    if not pod.status.container_statuses:
        return _beginning(report, life, seed, now)
    if life.waiting_reason:
        return RESTING
    told = pod.status.container_statuses[0]
    if told.state.running is not None:
        return _running(report, life, told, now, since)
    begun = since if since is not None else _begun(pod, told, now)
    again = told.last_state.terminated is not None
    begin = begun + (_backoff(told.restart_count) if again else life.start_after.of(f"{seed}/start"))
    return Step(due=begin) if begin > now else _start(report, life, told.restart_count, now)


def _beginning(report: _Report, life: Life, seed: str, now: float) -> Step:
    if life.waiting_reason:
        return Step(report.waiting(life.waiting_reason))
    wait = life.start_after.of(f"{seed}/start")
    if wait > 0:
        return Step(report.waiting("ContainerCreating"), due=now + wait)
    return _start(report, life, 0, now)


def _start(report: _Report, life: Life, number: int, now: float, ended: Json | None = None) -> Step:
    """`ended` is how the run before ended, where the status does not say it yet."""
    seed = report.pod.metadata.uid
    ready = life.ready_after.of(f"{seed}/ready")
    times = [] if life.run_for is None else [now + life.run_for.of(f"{seed}/{number}/run")]
    times += [now + ready] if ready > 0 else []
    return Step(report.running(number, ready=ready <= 0, ended=ended), due=min(times, default=None))


def _running(report: _Report, life: Life, told: ContainerStatus, now: float, since: float | None) -> Step:
    pod, seed = report.pod, report.pod.metadata.uid
    assert told.state.running is not None
    begun = since if since is not None else pods.seconds(told.state.running.started_at, now)
    attempt = f"{seed}/{told.restart_count}"
    end = begun + life.run_for.of(f"{attempt}/run") if life.run_for is not None else None
    if end is not None and end <= now:
        return _ended(report, life.ends_with(f"{attempt}/exit"), told, now)
    if report.outdated():
        if report.refusal is None and begins_anew(pod):
            anew = _start(report, life, told.restart_count + 1, now, report.replaced(told))
            return msgspec.structs.replace(anew, event=report.resized())
        is_ready = told.ready or begun + life.ready_after.of(f"{seed}/ready") <= now
        return Step(report.runs_on(told, ready=is_ready), begins=False, event=report.resized())
    if told.ready:
        # Others open and close readiness gates, and say unready where a node was taken for lost.
        agrees = pods.is_ready(pod) == report.gates_open()
        return Step(None if agrees else report.runs_on(told, ready=True), due=end, begins=False)
    ready = begun + life.ready_after.of(f"{seed}/ready")
    if ready > now:
        return Step(due=ready if end is None else min(ready, end))
    return Step(report.runs_on(told, ready=True), due=end, begins=False)


def _ended(report: _Report, code: int, told: ContainerStatus, now: float) -> Step:
    policy = report.pod.spec.restart_policy or "Always"
    if policy == "Always" or (policy == "OnFailure" and code):
        number = told.restart_count + 1
        return Step(report.between(code, number, told), due=now + _backoff(number))
    return Step(report.finished(code, told))


def _ending(pod: Pod, life: Life, now: float, since: float | None) -> Step:
    grace = float(pod.metadata.deletion_grace_period_seconds or 0)
    if since is None:
        since = pods.seconds(pod.metadata.deletion_timestamp, now) - grace
    end = since + min(life.stop_after.of(f"{pod.metadata.uid}/stop"), grace)
    return Step(gone=True) if end <= now else Step(due=end)


def _backoff(number: int) -> float:
    """A container that ended is started again at once the first time, then ever later, as a kubelet does."""
    return 0.0 if number <= 1 else min(FIRST_BACKOFF * 2.0 ** (number - 2), LONGEST_BACKOFF)


def _begun(pod: Pod, told: ContainerStatus, now: float) -> float:
    if told.last_state.terminated is not None:
        return pods.seconds(told.last_state.terminated.finished_at, now)
    return pods.seconds(pod.status.start_time, now)


class _Report:
    """Statuses of one Pod at one moment."""

    def __init__(self, pod: Pod, place: Place, now: float, refusal: Refusal | None) -> None:
        self.pod, self.refusal = pod, refusal
        self._place, self._now = place, rfc3339(now)
        self._allotted = allotted(pod) if refusal is not None else {}

    def waiting(self, reason: str) -> Json:
        states = [self._container(each, {"waiting": {"reason": reason}}, 0) for each in self.pod.spec.containers]
        return self._status("Pending", states, started=False, ready=False)

    def running(self, number: int, *, ready: bool, ended: Json | None = None) -> Json:
        return self._runs(self._now, number, ready, ended)

    def runs_on(self, told: ContainerStatus, *, ready: bool) -> Json:
        """`told` is what was said of these containers before."""
        since = told.state.running.started_at if told.state.running is not None else self._now
        return self._runs(since, told.restart_count, ready)

    def replaced(self, told: ContainerStatus) -> Json:
        """How a run ended that makes room for another of the same container."""
        return {"terminated": self._terminated(0, told)}

    def outdated(self) -> bool:
        """Whether the status tells less than what the spec wants by now, and what of it the node gives."""
        known, generation = pods.condition(self.pod, PENDING), self.pod.status.observed_generation
        if generation and generation != self.pod.metadata.generation:
            return True
        if self.refusal is None:
            return known is not None or differs(self.pod)
        return known is None or (known.reason, known.message) != (self.refusal.reason, self.refusal.message)

    def resized(self) -> tuple[Literal["Normal", "Warning"], str, str] | None:
        """The event that a kubelet tells of it."""
        if self.refusal is not None:
            reason = self.refusal.reason
            return "Warning", f"Resize{reason}", f"Pod resize {reason}: {self.refusal.message}"
        if differs(self.pod):
            return "Normal", "ResizeCompleted", f"Pod resize completed: {resizing.told(self.pod)}"
        return None

    def _runs(self, since: str, number: int, ready: bool, ended: Json | None = None) -> Json:
        state = {"running": {"startedAt": since}}
        states = [
            self._container(each, state, number, ready=ready, before=ended or self._before(each.name))
            for each in self.pod.spec.containers
        ]
        return self._status("Running", states, started=True, ready=ready)

    def between(self, code: int, number: int, told: ContainerStatus) -> Json:
        """Ended, and to be started again."""
        ended = {"terminated": self._terminated(code, told)}
        reason = "CrashLoopBackOff" if _backoff(number) else "ContainerCreating"
        states = [
            self._container(each, {"waiting": {"reason": reason}}, number, before=ended)
            for each in self.pod.spec.containers
        ]
        return self._status("Running", states, started=True, ready=False)

    def finished(self, code: int, told: ContainerStatus) -> Json:
        state = {"terminated": self._terminated(code, told)}
        states = [self._container(each, state, told.restart_count) for each in self.pod.spec.containers]
        return self._status("Failed" if code else "Succeeded", states, started=True, ready=False)

    def _terminated(self, code: int, told: ContainerStatus) -> Json:
        running = told.state.running
        return {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": running.started_at if running is not None else self._now,
            "finishedAt": self._now,
        }

    def _before(self, name: str) -> Json:
        for told in self.pod.status.container_statuses:
            if told.name == name and told.last_state.terminated is not None:
                ended = told.last_state.terminated
                return {
                    "terminated": {
                        "exitCode": ended.exit_code,
                        "reason": ended.reason,
                        "startedAt": ended.started_at,
                        "finishedAt": ended.finished_at,
                    }
                }
        return {}

    def _container(
        self, container: Container, state: Json, number: int, *, ready: bool = False, before: Json | None = None
    ) -> Json:
        out: Json = {
            "name": container.name,
            "state": state,
            "lastState": before or {},
            "ready": ready,
            "restartCount": number,
            "image": container.image,
            "imageID": "",
            "started": "running" in state,
        }
        if "waiting" not in state:
            out["containerID"] = f"{RUNTIME.partition(':')[0]}://{self.pod.metadata.uid}-{container.name}-{number}"
        return out | self._resources(container)

    def _resources(self, container: Container) -> Json:
        """What the node has allotted: what the spec wants, or still what was told before."""
        given = self._allotted.get(container.name, container.resources)
        out: Json = {"allocatedResources": dict(given.requests)} if given.requests else {}
        sides = {"limits": given.limits, "requests": given.requests}
        named = {side: dict(amounts) for side, amounts in sides.items() if amounts}
        return out | ({"resources": named} if named else {})

    def _status(self, phase: str, containers: list[Json], *, started: bool, ready: bool) -> Json:
        place, spec = self._place, self.pod.spec
        out: Json = {
            "phase": phase,
            "conditions": self._conditions(phase, started=started, ready=ready),
            "hostIP": place.host_ip,
            "hostIPs": [{"ip": place.host_ip}],
            "startTime": self.pod.status.start_time or self._now,
            "containerStatuses": containers,
        }
        if self.pod.metadata.generation:
            out["observedGeneration"] = self.pod.metadata.generation
        if started:
            out |= {"podIP": place.pod_ip, "podIPs": [{"ip": place.pod_ip}]}
        if spec.init_containers:
            out["initContainerStatuses"] = [self._init(each, started, phase) for each in spec.init_containers]
        return out

    def _init(self, container: Container, started: bool, phase: str) -> Json:
        """Init containers have done their work when the others start; a sidecar runs beside them."""
        if not started:
            return self._container(container, {"waiting": {"reason": "PodInitializing"}}, 0)
        if container.restart_policy == "Always" and phase == "Running":
            return self._container(container, {"running": {"startedAt": self._now}}, 0, ready=True)
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": self._now, "finishedAt": self._now}
        return self._container(container, {"terminated": ended}, 0, ready=True)

    def _conditions(self, phase: str, *, started: bool, ready: bool) -> list[Json]:
        done = "PodCompleted" if phase == "Succeeded" else "PodFailed" if phase == "Failed" else "ContainersNotReady"
        return [
            self._condition("PodReadyToStartContainers", started and phase == "Running", ""),
            self._condition("Initialized", started, "ContainersNotInitialized"),
            self._condition("Ready", ready and self.gates_open(), "ReadinessGatesNotReady" if ready else done),
            self._condition("ContainersReady", ready, done),
            *self._pending(phase),
        ]

    def _pending(self, phase: str) -> list[Json]:
        """That the node does not give what the spec wants; it is taken away when that holds no more."""
        if self.refusal is None or phase not in ("Pending", "Running"):
            return [{"$patch": "delete", "type": PENDING}] if pods.condition(self.pod, PENDING) is not None else []
        why = {"reason": self.refusal.reason, "message": self.refusal.message}
        return [self._condition(PENDING, True, "") | why]

    def gates_open(self) -> bool:
        told = {each.type: each.status for each in self.pod.status.conditions}
        return all(told.get(gate.condition_type) == "True" for gate in self.pod.spec.readiness_gates)

    def _condition(self, kind: str, true: bool, reason: str) -> Json:
        status = "True" if true else "False"
        known = pods.condition(self.pod, kind)
        since = known.last_transition_time if known is not None and known.status == status else ""
        out: Json = {"type": kind, "status": status, "lastTransitionTime": since or self._now}
        if self.pod.metadata.generation:
            out["observedGeneration"] = self.pod.metadata.generation
        # A null takes the reason away that an older status gave.
        return out | ({"reason": reason} if reason and not true else {"reason": None} if known else {})
