"""What is known of one Pod on this node, as frozen values: its sandbox, the runs of its containers, its memory.

Both deciding functions (`podsync`, `podstatus`) read nothing else. Everything that has to outlive the kubelet's
process is in the runtime's labels or in the API's status; `Facts` is what may be lost with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from podling.api.kinds.core.container import Container as Declared
from podling.api.kinds.core.container import EphemeralContainer, ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podstatus import ContainerStatus
from podling.env import parse_rfc3339
from podling.reconcile.resizing import Refusal
from podling.runtime.interface import Container, Sandbox

AnyContainer = Declared | EphemeralContainer

POD_UID = "io.kubernetes.pod.uid"
POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
CONTAINER_NAME = "io.kubernetes.container.name"
RESTART_COUNT = "io.kubernetes.container.restartCount"
GRACE = "io.kubernetes.pod.terminationGracePeriod"
BACKOFF = "podling.io/backoff"
SPEC_IMAGE = "podling.io/spec-image"
IMAGE = "podling.io/image"
IMAGE_ID = "podling.io/image-id"
RESOURCES = "podling.io/resources"

LOST = "ContainerStatusUnknown"
LOST_MESSAGE = "The container could not be located when the pod was deleted.  The container used to be Running"


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One run of a container. `number` counts from 0 and is the restartCount; times are wall clock, 0.0 if not yet."""

    name: str
    number: int
    id: str
    state: Literal["created", "running", "exited"]
    sandbox: str = ""
    """Empty for a run that only the API's status remembers."""
    spec_image: str = ""
    image: str = ""
    image_id: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    backoff: float = 0.0
    resources: ResourceRequirements | None = None
    """What it was given; None where nobody remembers."""
    replaced: bool = False
    """It was ended to be followed by another one, whatever the restart policy says."""


class PodState(msgspec.Struct, frozen=True):
    """A Pod's sandbox and the runs of each container, oldest first."""

    sandbox: Sandbox | None = None
    attempts: Mapping[str, tuple[Attempt, ...]] = {}

    def last(self, name: str) -> Attempt | None:
        runs = self.attempts.get(name)
        return runs[-1] if runs else None

    def before_last(self, name: str) -> Attempt | None:
        runs = self.attempts.get(name, ())
        return runs[-2] if len(runs) > 1 else None

    def all(self) -> tuple[Attempt, ...]:
        return tuple(run for runs in self.attempts.values() for run in runs)

    def with_attempt(self, attempt: Attempt) -> PodState:
        """The same with this run added, or put in the place of the run with its id."""
        runs = [run for run in self.attempts.get(attempt.name, ()) if run.id != attempt.id]
        runs.append(attempt)
        runs.sort(key=lambda run: run.number)
        return msgspec.structs.replace(self, attempts={**self.attempts, attempt.name: tuple(runs)})

    def without(self, container: str) -> PodState:
        """The same without the run of this id."""
        attempts = {name: tuple(r for r in runs if r.id != container) for name, runs in self.attempts.items()}
        return msgspec.structs.replace(self, attempts={name: runs for name, runs in attempts.items() if runs})

    def with_sandbox(self, sandbox: Sandbox | None) -> PodState:
        return msgspec.structs.replace(self, sandbox=sandbox)


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Why a container (or, under the name "", the sandbox) does not start, and until when it is not tried again."""

    reason: str
    message: str
    since: float
    until: float
    delay: float = 0.0
    image: str = ""
    """Which one could not be had."""


class Probed(msgspec.Struct, frozen=True, gc=False):
    """What the probes say of one run. `failed` names the probe that asks for a restart: Liveness or Startup."""

    started: bool = True
    ready: bool = True
    failed: str = ""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why the whole Pod is ended: DeadlineExceeded, Evicted …"""

    reason: str
    message: str
    refused: bool = False
    """The node never took the Pod: nothing of it was made, and its containers have no state."""
    at_once: bool = False
    """Its containers have no more than the shortest time to end, whatever they were promised."""


class Facts(msgspec.Struct, frozen=True):
    """The worker's memory. Keys of `probes` are container ids; of `busy` and `waiting` names, "" for the Pod itself."""

    volumes_ready: bool = False
    removed: bool = False
    """The Pod is gone from the API."""
    stopped: bool = False
    """The stop of the whole Pod was carried out."""
    failure: Failure | None = None
    allotted: Mapping[str, ResourceRequirements] = {}
    """Requests and limits by the container's name; where absent, those of the spec."""
    pending: Refusal | None = None
    """Why what the spec wants now is not allotted: Deferred or Infeasible."""
    resizing: Mapping[str, Waiting] = {}
    """Containers that could not be given what is allotted, and until when that is not tried again."""
    busy: frozenset[str] = frozenset()
    waiting: Mapping[str, Waiting] = {}
    probes: Mapping[str, Probed] = {}


def attempt_of(container: Container, message: str = "") -> Attempt:
    """A run as the runtime tells it; `message` is the termination message read from its file or log."""
    labels = container.labels
    failed_start = container.state != "running" and not container.started_at and bool(container.message)
    state = "exited" if failed_start else container.state
    return Attempt(
        name=labels.get(CONTAINER_NAME, container.name),
        number=int(labels.get(RESTART_COUNT, "0")),
        id=container.id,
        state=state,
        sandbox=container.sandbox,
        spec_image=labels.get(SPEC_IMAGE, ""),
        image=labels.get(IMAGE, container.image),
        image_id=labels.get(IMAGE_ID, container.image),
        created_at=container.created_at,
        started_at=container.started_at,
        finished_at=(container.finished_at or container.created_at) if state == "exited" else 0.0,
        exit_code=(container.exit_code or 128) if failed_start else container.exit_code,
        reason=_reason(container, failed_start) if state == "exited" else "",
        message=container.message if failed_start else message,
        backoff=float(labels.get(BACKOFF, "0")),
        resources=_resources(labels.get(RESOURCES, "")),
    )


def resources_label(resources: ResourceRequirements) -> str:
    """How a run's labels remember what it was given."""
    return msgspec.json.encode({"limits": resources.limits, "requests": resources.requests}).decode()


def _resources(label: str) -> ResourceRequirements | None:
    return msgspec.json.decode(label, type=ResourceRequirements) if label else None


def _reason(container: Container, failed_start: bool) -> str:
    if failed_start:
        return "StartError"
    if container.oom_killed:
        return "OOMKilled"
    return "Error" if container.exit_code else "Completed"


def state_of(sandbox: Sandbox | None, attempts: Iterable[Attempt], pod: Pod) -> PodState:
    """What a newborn kubelet knows: the runtime's containers, and what the API remembers of others."""
    state = PodState(sandbox=sandbox)
    for attempt in attempts:
        state = state.with_attempt(attempt)
    statuses = pod.status.init_container_statuses + pod.status.container_statuses
    for status in statuses + pod.status.ephemeral_container_statuses:
        if status.container_id and state.last(status.name) is None:
            state = state.with_attempt(_remembered(status))
    return state


def _remembered(status: ContainerStatus) -> Attempt:
    """The last run of a container that the runtime no longer knows, as the API's status has it."""
    ended = status.state.terminated or status.last_state.terminated
    if status.state.running is not None or ended is None:
        began = _seconds(status.state.running.started_at) if status.state.running else 0.0
        end = (began, began, 137, LOST, LOST_MESSAGE)
    else:
        times = _seconds(ended.started_at), _seconds(ended.finished_at)
        end = (*times, ended.exit_code, ended.reason, ended.message)
    started, finished, code, reason, message = end
    return Attempt(
        name=status.name,
        number=status.restart_count,
        id=status.container_id.rpartition("/")[2],
        state="exited",
        image=status.image,
        image_id=status.image_id,
        created_at=started,
        started_at=started,
        finished_at=finished,
        exit_code=code,
        reason=reason,
        message=message,
    )


def _seconds(text: str) -> float:
    return parse_rfc3339(text) if text else 0.0


def declared(pod: Pod, name: str) -> AnyContainer | None:
    """The container of this name among init, regular and ephemeral ones."""
    spec = pod.spec
    everyone: tuple[AnyContainer, ...] = spec.init_containers + spec.containers + spec.ephemeral_containers
    return next((container for container in everyone if container.name == name), None)


def is_sidecar(container: AnyContainer) -> bool:
    """An init container that stays (KEP-753); only asked of init containers."""
    return container.restart_policy == "Always"


def restarts(pod: Pod, container: AnyContainer, run: Attempt, *, init: bool = False) -> bool:
    """Whether a run that ended is followed by another one."""
    if run.replaced:
        return True
    for rule in container.restart_policy_rules:
        if rule.exit_codes is not None and rule.action == "Restart":
            listed = run.exit_code in rule.exit_codes.values
            if listed == (rule.exit_codes.operator == "In"):
                return True
    policy = container.restart_policy or pod.spec.restart_policy or "Always"
    if policy == "Always" and init and not is_sidecar(container):
        policy = "OnFailure"
    return policy == "Always" or (policy == "OnFailure" and run.exit_code != 0)


def started(container: AnyContainer, run: Attempt, facts: Facts) -> bool:
    """Running, and its startup probe (if any) has succeeded."""
    if run.state != "running":
        return False
    probed = facts.probes.get(run.id)
    return probed.started if probed is not None else container.startup_probe is None


def ready(container: AnyContainer, run: Attempt, facts: Facts) -> bool:
    """Started, and its readiness probe (if any) says so."""
    if not started(container, run, facts):
        return False
    probed = facts.probes.get(run.id)
    return probed.ready if probed is not None else container.readiness_probe is None


def initialized(pod: Pod, state: PodState, facts: Facts) -> bool:
    """Whether the regular containers may run: each init container is done, each sidecar started, in this sandbox."""
    if state.sandbox is None:
        return not pod.spec.init_containers
    here = state.sandbox.id
    if any((run := state.last(c.name)) is not None and run.sandbox == here for c in pod.spec.containers):
        return True
    for container in pod.spec.init_containers:
        run = state.last(container.name)
        if run is None or run.sandbox != here:
            return False
        if is_sidecar(container):
            if not started(container, run, facts):
                return False
        elif run.state != "exited" or run.exit_code:
            return False
    return True
