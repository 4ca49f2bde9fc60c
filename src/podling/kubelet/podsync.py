"""What to do next for one Pod: a pure function from what is wanted and known to a list of actions.

The worker calls `decide` after every event, carries the actions out, and sleeps until the plan's `wake`. Nothing is
remembered between two calls but `PodState` and `Facts`, so every rule of the Pod lifecycle (Kubernetes documentation,
"Pod Lifecycle", "Init Containers", "Sidecar Containers") can be read and tested here without a clock or a runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.env import parse_rfc3339
from podling.kubelet import backoff
from podling.kubelet.podstate import (
    AnyContainer,
    Attempt,
    Facts,
    PodState,
    initialized,
    is_sidecar,
    restarts,
    started,
)
from podling.reconcile.resizing import needs_restart, same

POD = ""
"""The name under which `Facts` speaks of the Pod as a whole."""
PULL_SHOWN = 2.0
"""Seconds a failed pull is shown as ErrImagePull before it becomes ImagePullBackOff."""
SHORTEST_GRACE = 2.0
"""Upstream never gives a container less than this to end."""
DEFAULT_GRACE = 30.0


class Prepare(msgspec.Struct, frozen=True):
    """Mount the volumes and write the Pod's files."""


class RunSandbox(msgspec.Struct, frozen=True):
    """Make namespaces and network."""


class Start(msgspec.Struct, frozen=True):
    """Pull, create and start a container; `delay` is the back-off its next restart will wait."""

    name: str
    number: int
    delay: float = 0.0
    target: str = ""
    """The run whose processes an ephemeral container is to see."""


class Kill(msgspec.Struct, frozen=True):
    """End one run with `grace` seconds; `why` is the event's text."""

    name: str
    id: str
    grace: float
    why: str
    replace: bool = False
    """Another run follows, whatever the restart policy says."""


class Resize(msgspec.Struct, frozen=True):
    """Give a run what is allotted to its container."""

    name: str
    id: str


class Discard(msgspec.Struct, frozen=True):
    """Remove what is left of a run that nobody asks for any more."""

    name: str
    id: str


class BackOffPull(msgspec.Struct, frozen=True):
    """A failed pull is from now on shown as a back-off."""

    name: str


class FailPod(msgspec.Struct, frozen=True):
    """The Pod is to end as Failed."""

    reason: str
    message: str


class StopPod(msgspec.Struct, frozen=True):
    """End all containers within `grace` seconds, sidecars last, then the sandbox."""

    grace: float


class Finish(msgspec.Struct, frozen=True):
    """Everything has ended: write the last status, free what is held; `delete` takes the Pod out of the API."""

    delete: bool


Action = Prepare | RunSandbox | Start | Kill | Resize | Discard | BackOffPull | FailPod | StopPod | Finish


class Plan(msgspec.Struct, frozen=True):
    """Actions in order, and the wall-clock second at which to ask again even if nothing happens."""

    actions: tuple[Action, ...] = ()
    wake: float | None = None
    held_back: tuple[str, ...] = ()
    """Containers that wait for their back-off."""


def decide(pod: Pod, state: PodState, facts: Facts, now: float) -> Plan:
    """The next steps; containers in `facts.busy` are left alone because an action for them is under way."""
    if facts.removed or pod.metadata.deletion_timestamp is not None:
        return _end(pod, state, facts, delete=True)
    if facts.failure is not None or pod.status.phase in ("Succeeded", "Failed"):
        return _end(pod, state, facts, delete=False)
    deadline = _deadline(pod)
    if deadline is not None and now >= deadline:
        return Plan((FailPod("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"),))
    if finished(pod, state):
        return _end(pod, state, facts, delete=False)
    plan = _advance(pod, state, facts, now)
    return plan if deadline is None else msgspec.structs.replace(plan, wake=_earliest(plan.wake, deadline))


def finished(pod: Pod, state: PodState) -> bool:
    """Whether no container runs and none will run again."""
    for container in pod.spec.init_containers:
        run = state.last(container.name)
        failed = run is not None and run.state == "exited" and run.exit_code != 0
        if failed and run and not is_sidecar(container) and not restarts(pod, container, run, init=True):
            return True
    for container in pod.spec.containers:
        run = state.last(container.name)
        if run is None or run.state != "exited" or restarts(pod, container, run):
            return False
    return True


def _deadline(pod: Pod) -> float | None:
    seconds = pod.spec.active_deadline_seconds
    if seconds is None or not pod.status.start_time:
        return None
    return parse_rfc3339(pod.status.start_time) + seconds


def _end(pod: Pod, state: PodState, facts: Facts, *, delete: bool) -> Plan:
    alive = any(run.state != "exited" for run in state.all())
    held = state.sandbox is not None and state.sandbox.ready
    if (alive or held or POD in facts.busy) and not facts.stopped:
        # Deleted by force: the API has let go of it already, so nobody waits for more than the shortest end.
        hurried = facts.removed or (facts.failure is not None and facts.failure.at_once)
        return Plan((StopPod(SHORTEST_GRACE if hurried else grace_of(pod, delete=delete)),))
    if facts.busy:
        return Plan()
    return Plan((Finish(delete=delete),))


def grace_of(pod: Pod, *, delete: bool = False) -> float:
    """Seconds between the stop signal and SIGKILL."""
    asked: float | None = pod.metadata.deletion_grace_period_seconds if delete else None
    if asked is None:
        asked = pod.spec.termination_grace_period_seconds
    return max(DEFAULT_GRACE if asked is None else float(asked), SHORTEST_GRACE)


def _advance(pod: Pod, state: PodState, facts: Facts, now: float) -> Plan:
    setup: list[Action] = []
    wakes: list[float | None] = []
    waiting = facts.waiting.get(POD)
    if waiting is not None and waiting.until > now:
        wakes.append(waiting.until)
    elif POD not in facts.busy:
        if not facts.volumes_ready:
            setup.append(Prepare())
        if state.sandbox is None or not state.sandbox.ready:
            setup.append(RunSandbox())
    if setup or wakes or POD in facts.busy or state.sandbox is None or not facts.volumes_ready:
        return Plan(tuple(setup), _earliest(*wakes))
    steps = [*_init(pod, state, facts, now), *_ephemeral(pod, state, facts, now)]
    if initialized(pod, state, facts):
        steps += _regular(pod, state, facts, now)
    return Plan(
        tuple(action for step in steps for action in step.actions),
        _earliest(*(step.wake for step in steps)),
        tuple(name for step in steps for name in step.held_back),
    )


def _init(pod: Pod, state: PodState, facts: Facts, now: float) -> Iterator[Plan]:
    """Init containers one after another; sidecars stay and are kept alive."""
    done = initialized(pod, state, facts)
    for container in pod.spec.init_containers:
        run = _here(state, container.name)
        if is_sidecar(container):
            yield _keep(pod, container, state, facts, now)
            if not done and (run is None or not started(container, run, facts)):
                return
        elif not done and not (run is not None and run.state == "exited" and run.exit_code == 0):
            yield _keep(pod, container, state, facts, now, init=True)
            return


def _regular(pod: Pod, state: PodState, facts: Facts, now: float) -> Sequence[Plan]:
    return [_keep(pod, container, state, facts, now) for container in pod.spec.containers]


def _ephemeral(pod: Pod, state: PodState, facts: Facts, now: float) -> Iterator[Plan]:
    for container in pod.spec.ephemeral_containers:
        if state.last(container.name) is None:
            target = _here(state, container.target_container_name)
            plan = _start(container, None, facts, now, 0.0)
            yield _aimed(plan, target.id) if target is not None and target.state == "running" else plan


def _aimed(plan: Plan, target: str) -> Plan:
    actions = (
        msgspec.structs.replace(step, target=target) if isinstance(step, Start) else step for step in plan.actions
    )
    return msgspec.structs.replace(plan, actions=tuple(actions))


def _keep(pod: Pod, container: AnyContainer, state: PodState, facts: Facts, now: float, *, init: bool = False) -> Plan:
    """One container: start it, leave it, kill it for a reason, or start it again when its back-off is over."""
    run = state.last(container.name)
    if container.name in facts.busy:
        return Plan()
    if run is None or state.sandbox is None:
        return _start(container, run, facts, now, 0.0)
    if run.sandbox != state.sandbox.id:
        again = init or run.state != "exited" or restarts(pod, container, run)
        return _start(container, run, facts, now, 0.0) if again else Plan()
    if run.state == "created":
        return Plan((Discard(container.name, run.id),))
    if run.state == "running":
        return _check(pod, container, run, facts, now)
    if not restarts(pod, container, run, init=init):
        return Plan()
    at = backoff.ready_at(run.backoff, run.created_at, run.finished_at)
    if at > now:
        return Plan(wake=at, held_back=(container.name,))
    return _start(container, run, facts, now, backoff.next_delay(run.backoff, run.created_at, run.finished_at))


def _start(container: AnyContainer, run: Attempt | None, facts: Facts, now: float, delay: float) -> Plan:
    if container.name in facts.busy:
        return Plan()
    waiting = facts.waiting.get(container.name)
    if waiting is not None and waiting.until > now:
        shown_until = waiting.since + PULL_SHOWN
        if waiting.reason == "ErrImagePull" and now >= shown_until:
            return Plan((BackOffPull(container.name),), wake=waiting.until)
        return Plan(wake=min(waiting.until, shown_until) if waiting.reason == "ErrImagePull" else waiting.until)
    return Plan((Start(container.name, 0 if run is None else run.number + 1, delay),))


def _check(pod: Pod, container: AnyContainer, run: Attempt, facts: Facts, now: float) -> Plan:
    probed = facts.probes.get(run.id)
    if probed is not None and probed.failed:
        probe = container.startup_probe if probed.failed == "Startup" else container.liveness_probe
        own = probe.termination_grace_period_seconds if probe is not None else None
        grace = grace_of(pod) if own is None else max(float(own), SHORTEST_GRACE)
        why = f"Container {container.name} failed {probed.failed.lower()} probe, will be restarted"
        return Plan((Kill(container.name, run.id, grace, why),))
    if run.spec_image and run.spec_image != container.image:
        why = f"Container {container.name} definition changed, will be restarted"
        return Plan((Kill(container.name, run.id, grace_of(pod), why, replace=True),))
    return _resize(pod, container, run, facts, now)


def _resize(pod: Pod, container: AnyContainer, run: Attempt, facts: Facts, now: float) -> Plan:
    allotted = facts.allotted.get(container.name)
    if allotted is None or run.resources is None or same(run.resources, allotted):
        return Plan()
    if needs_restart(container, run.resources, allotted):
        why = f"Container {container.name} resize requires restart"
        return Plan((Kill(container.name, run.id, grace_of(pod), why, replace=True),))
    waiting = facts.resizing.get(container.name)
    if waiting is not None and waiting.until > now:
        return Plan(wake=waiting.until)
    return Plan((Resize(container.name, run.id),))


def _here(state: PodState, name: str) -> Attempt | None:
    run = state.last(name)
    return run if run is not None and state.sandbox is not None and run.sandbox == state.sandbox.id else None


def _earliest(*times: float | None) -> float | None:
    known = [time for time in times if time is not None]
    return min(known) if known else None
