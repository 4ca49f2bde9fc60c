"""The status of a Pod as kubectl and the controllers read it: a pure function of what is known.

Wording, order and phases are upstream's (Kubernetes documentation, "Pod Lifecycle"): `phase`, the five conditions,
the waiting reasons behind kubectl's STATUS column. `patch_between` finds the smallest strategic merge patch between two
statuses, so that nothing is written when nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.env import rfc3339
from podling.kubelet import backoff
from podling.kubelet.podstate import (
    AnyContainer,
    Attempt,
    Facts,
    Failure,
    PodState,
    initialized,
    is_sidecar,
    ready,
    restarts,
    started,
)
from podling.kubelet.qos import qos_class
from podling.kubelet.resizing import lagging
from podling.reconcile.resizing import PENDING, same

Json = dict[str, Any]
IN_PROGRESS = "PodResizeInProgress"
TRANSIENT = (PENDING, IN_PROGRESS)
"""Conditions that are only there while they hold."""


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    return rfc3339(second)


def _stamp(time: float) -> str:
    """A status says few different times, and each of them often."""
    return _second(int(time))


def status_of(
    pod: Pod, state: PodState, facts: Facts, before: Mapping[str, Any], host_ip: str, runtime: str, now: float
) -> Json:
    """The whole status. `before` is the last one (transition times, what others wrote is left to the merge);
    `runtime` names the runtime in container ids (`crun`)."""
    if facts.failure is not None and facts.failure.refused:
        return _refused(pod, facts.failure, before, now)
    ending = facts.removed or pod.metadata.deletion_timestamp is not None or facts.failure is not None
    say = _Speaker(pod, state, facts, ending, runtime, now)
    init = [say.status(container, init=True) for container in pod.spec.init_containers]
    regular = [say.status(container) for container in pod.spec.containers]
    ephemeral = [say.status(container) for container in pod.spec.ephemeral_containers]
    phase = _phase(pod, state, facts, ending, before)
    out: Json = {}
    if pod.metadata.generation:
        out["observedGeneration"] = pod.metadata.generation
    out["phase"] = phase
    out["conditions"] = _conditions(pod, state, facts, phase, before, now)
    failure = facts.failure
    if failure is not None:
        out |= {"message": failure.message, "reason": failure.reason}
    elif before.get("phase") == "Failed" and before.get("reason"):
        out |= {"message": before.get("message", ""), "reason": before["reason"]}
    out |= {"hostIP": host_ip, "hostIPs": [{"ip": host_ip}]}
    if ip := (state.sandbox.ip if state.sandbox is not None else "") or before.get("podIP", ""):
        out |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    out["startTime"] = before.get("startTime") or _stamp(now)
    for key, statuses in (
        ("initContainerStatuses", init),
        ("containerStatuses", regular),
        ("ephemeralContainerStatuses", ephemeral),
    ):
        if statuses:
            out[key] = statuses
    out["qosClass"] = before.get("qosClass") or qos_class(pod)
    return out


def _refused(pod: Pod, failure: Failure, before: Mapping[str, Any], now: float) -> Json:
    """Of a Pod that the node did not take nothing else can be told."""
    out: Json = {"observedGeneration": pod.metadata.generation} if pod.metadata.generation else {}
    out |= {"phase": "Failed", "message": failure.message, "reason": failure.reason}
    return out | {
        "startTime": before.get("startTime") or _stamp(now),
        "qosClass": before.get("qosClass") or qos_class(pod),
    }


def _phase(pod: Pod, state: PodState, facts: Facts, ending: bool, before: Mapping[str, Any]) -> str:
    if before.get("phase") in ("Succeeded", "Failed"):
        return str(before["phase"])
    runs = [(container, state.last(container.name)) for container in pod.spec.containers]
    alive = any(run.state == "running" for run in state.all())
    if facts.failure is not None:
        return "Failed" if facts.stopped or not alive else str(before.get("phase", "Pending"))
    pending = not initialized(pod, state, facts)
    if pending:
        return "Failed" if not alive and _init_failed(pod, state) else "Pending"
    if any(run is None or run.state == "created" for _, run in runs):
        return "Pending"
    if any(run is not None and run.state == "running" for _, run in runs):
        return "Running"
    return _phase_of_ended(pod, [(c, run) for c, run in runs if run is not None], ending=ending, alive=alive)


def _phase_of_ended(pod: Pod, runs: Sequence[tuple[AnyContainer, Attempt]], *, ending: bool, alive: bool) -> str:
    again = any(restarts(pod, container, run) for container, run in runs)
    if (again and not ending) or alive:
        return "Running"
    return "Succeeded" if all(run.exit_code == 0 for _, run in runs) else "Failed"


def _init_failed(pod: Pod, state: PodState) -> bool:
    for container in pod.spec.init_containers:
        run = state.last(container.name)
        ended = run is not None and run.state == "exited" and run.exit_code != 0
        if ended and run and not is_sidecar(container) and not restarts(pod, container, run, init=True):
            return True
    return False


class _Speaker:
    """Container statuses of one Pod: what all of them need is said once."""

    def __init__(self, pod: Pod, state: PodState, facts: Facts, ending: bool, runtime: str, now: float) -> None:
        self._pod, self._state, self._facts = pod, state, facts
        self._ending, self._runtime, self._now = ending, runtime, now

    def status(self, container: AnyContainer, *, init: bool = False) -> Json:
        run = self._state.last(container.name)
        previous = self._state.before_last(container.name)
        current: Json
        if run is None or run.state == "created":
            current, last, shown = {"waiting": self._waiting(container)}, previous, previous or run
        elif run.state == "running":
            current, last, shown = {"running": {"startedAt": _stamp(run.started_at)}}, previous, run
        elif (waiting := self._between(container, run, init)) is not None:
            current, last, shown = {"waiting": waiting}, run, run
        else:
            current, last, shown = {"terminated": self._ended(run)}, previous, run
        is_started = run is not None and started(container, run, self._facts)
        done = init and run is not None and run.state == "exited" and run.exit_code == 0
        is_ready = run is not None and (ready(container, run, self._facts) or (done and not is_sidecar(container)))
        out: Json = {
            "name": container.name,
            "state": current,
            "lastState": {"terminated": self._ended(last)} if last is not None and last.state == "exited" else {},
            "ready": is_ready,
            "restartCount": run.number if run is not None else 0,
            "image": (shown.image if shown is not None else "") or container.image,
            "imageID": shown.image_id if shown is not None else "",
        }
        if shown is not None:
            out["containerID"] = f"{self._runtime}://{shown.id}"
        out["started"] = is_started
        given = run.resources if run is not None and run.state == "running" else None
        return out | _resources_status(container, given, self._facts) | _mounts_status(container)

    def _waiting(self, container: AnyContainer) -> Json:
        why = self._facts.waiting.get(container.name)
        if why is not None:
            return {"reason": why.reason} | ({"message": why.message} if why.message else {})
        return {"reason": "PodInitializing" if self._pod.spec.init_containers else "ContainerCreating"}

    def _between(self, container: AnyContainer, run: Attempt, init: bool) -> Json | None:
        """The waiting state of a container that ended and will run again; None while its end is to be shown."""
        if self._ending or not restarts(self._pod, container, run, init=init):
            return None
        if container.name in self._facts.waiting:
            return self._waiting(container)
        if self._state.sandbox is None or run.sandbox != self._state.sandbox.id:
            return self._waiting(container)
        at = backoff.ready_at(run.backoff, run.created_at, run.finished_at)
        if at <= run.finished_at or at <= self._now:
            return None
        meta = self._pod.metadata
        pause = backoff.go_duration(run.backoff)
        where = f"container={container.name} pod={meta.name}_{meta.namespace}({meta.uid})"
        return {"reason": "CrashLoopBackOff", "message": f"back-off {pause} restarting failed {where}"}

    def _ended(self, run: Attempt) -> Json:
        out: Json = {"exitCode": run.exit_code, "reason": run.reason}
        if run.message:
            out["message"] = run.message
        out["startedAt"] = _stamp(run.started_at)
        out["finishedAt"] = _stamp(run.finished_at)
        return out | {"containerID": f"{self._runtime}://{run.id}"}


def _resources_status(container: AnyContainer, given: ResourceRequirements | None, facts: Facts) -> Json:
    """What is allotted to the container, and what its run was `given`."""
    out: Json = {}
    allotted = facts.allotted.get(container.name, container.resources)
    if allotted.requests:
        out["allocatedResources"] = dict(allotted.requests)
    shown = allotted if given is None or same(given, allotted) else given
    if shown.requests or shown.limits:
        named = (("limits", shown.limits), ("requests", shown.requests))
        out["resources"] = {key: dict(value) for key, value in named if value}
    return out


def _mounts_status(container: AnyContainer) -> Json:
    out: Json = {}
    if container.volume_mounts:
        out["volumeMounts"] = [
            {"name": mount.name, "mountPath": mount.mount_path}
            | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.read_only else {})
            for mount in container.volume_mounts
        ]
    return out


def _conditions(
    pod: Pod, state: PodState, facts: Facts, phase: str, before: Mapping[str, Any], now: float
) -> list[Json]:
    sandbox = state.sandbox
    network = sandbox is not None and sandbox.ready and bool(sandbox.ip)
    containers = _containers_ready(pod, state, facts, phase)
    values: dict[str, tuple[bool, str, str]] = {
        "PodReadyToStartContainers": (network, "", ""),
        "Initialized": _initialized(pod, state, facts, phase),
        "Ready": _pod_ready(pod, containers),
        "ContainersReady": containers,
        "PodScheduled": (True, "", ""),
    }
    values |= _resize_conditions(pod, state, facts, phase)
    old = {condition["type"]: condition for condition in before.get("conditions", ())}
    return [_condition(pod, kind, *value, old.get(kind), now) for kind, value in values.items()]


def _resize_conditions(pod: Pod, state: PodState, facts: Facts, phase: str) -> dict[str, tuple[bool, str, str]]:
    """That the spec wants what the node does not give, and that a run has not yet been given what is allotted."""
    out: dict[str, tuple[bool, str, str]] = {}
    if phase in ("Succeeded", "Failed"):
        return out
    if facts.pending is not None:
        out[PENDING] = True, facts.pending.reason, facts.pending.message
    if any(lagging(state, facts.allotted)):
        why = next(iter(facts.resizing.values()), None)
        out[IN_PROGRESS] = (True, why.reason, why.message) if why is not None else (True, "", "")
    return out


def _condition(
    pod: Pod, kind: str, true: bool, reason: str, message: str, old: Mapping[str, Any] | None, now: float
) -> Json:
    status = "True" if true else "False"
    same = old is not None and old.get("status") == status and bool(old.get("lastTransitionTime"))
    out: Json = {"type": kind}
    if pod.metadata.generation:
        out["observedGeneration"] = pod.metadata.generation
    since = old["lastTransitionTime"] if old is not None and same else _stamp(now)
    out |= {"status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        out["reason"] = reason
    if message:
        out["message"] = message
    return out


def _initialized(pod: Pod, state: PodState, facts: Facts, phase: str) -> tuple[bool, str, str]:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if not pod.spec.init_containers or initialized(pod, state, facts):
        return True, "", ""
    names = [c.name for c in pod.spec.init_containers if not _init_done(c, state, facts)]
    return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]"


def _init_done(container: AnyContainer, state: PodState, facts: Facts) -> bool:
    run = state.last(container.name)
    if run is None:
        return False
    if is_sidecar(container):
        return started(container, run, facts)
    return run.state == "exited" and run.exit_code == 0


def _containers_ready(pod: Pod, state: PodState, facts: Facts, phase: str) -> tuple[bool, str, str]:
    if phase == "Succeeded":
        return False, "PodCompleted", ""
    if phase == "Failed":
        return False, "PodFailed", ""
    sidecars = tuple(container for container in pod.spec.init_containers if is_sidecar(container))
    unready = []
    for container in sidecars + pod.spec.containers:
        run = state.last(container.name)
        if run is None or not ready(container, run, facts):
            unready.append(container.name)
    if not unready:
        return True, "", ""
    return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _pod_ready(pod: Pod, containers: tuple[bool, str, str]) -> tuple[bool, str, str]:
    if not containers[0]:
        return containers
    said = {condition.type: condition.status for condition in pod.status.conditions}
    missing = []
    for gate in pod.spec.readiness_gates:
        status = said.get(gate.condition_type)
        if status is None:
            missing.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif status != "True":
            text = f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {status}'
            missing.append(text)
    return (False, "ReadinessGatesNotReady", ", ".join(missing)) if missing else (True, "", "")


def patch_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json | None:
    """The strategic merge patch of `status` that leads from `old` to `new`; None where nothing changed.

    Conditions merge by type and addresses by ip, everything else is replaced; conditions of others are not touched.
    """
    out: Json = {}
    for key, value in new.items():
        if key == "conditions":
            known = {condition["type"]: condition for condition in old.get("conditions", ())}
            changed = [_merged(known.get(c["type"]), c) for c in value if not _same(known.get(c["type"]), c)]
            told = {condition["type"] for condition in value}
            changed += [{"type": kind, "$patch": "delete"} for kind in TRANSIENT if kind in known and kind not in told]
            if changed:
                out[key] = changed
        elif old.get(key) != value:
            gone = old.get(key) or () if key in ("podIPs", "hostIPs") else ()
            out[key] = (
                [*({"ip": e["ip"], "$patch": "delete"} for e in gone if e not in value), *value] if gone else value
            )
    for key in ("message", "reason"):
        if old.get(key) and key not in new:
            out[key] = None
    return out or None


def _same(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    keys = ("status", "reason", "message", "observedGeneration", "lastTransitionTime")
    return old is not None and all(old.get(key) == new.get(key) for key in keys)


def _merged(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Json:
    """The condition with a null for each text that has to go."""
    gone = {key: None for key in ("reason", "message") if old is not None and old.get(key) and key not in new}
    return dict(new) | gone
