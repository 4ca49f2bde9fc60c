"""How `kubectl get pods` tells the state of a Pod in one word, and the columns around it.

STATUS is no field: it is the phase, overridden by what the containers say, overridden by the deletion. Init containers
speak first (`Init:1/2`, `Init:CrashLoopBackOff`), sidecars count like containers.
"""

from __future__ import annotations

from typing import Any, Final

from podling.api.kinds.cells import AGE, NAME, NONE, at, column, human_duration, seconds, value
from podling.api.kinds.kind import Column, Json

TERMINAL: Final = ("Succeeded", "Failed")


class _Summary:
    """What the walk over the container statuses finds out."""

    def __init__(self, pod: Json) -> None:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        self.sidecars = {
            container.get("name")
            for container in spec.get("initContainers") or ()
            if container.get("restartPolicy") == "Always"
        }
        self.total = len(spec.get("containers") or ()) + len(self.sidecars)
        self.ready = self.restarts = 0
        self.last_restart = 0.0
        self.reason = status.get("reason") or status.get("phase", "")
        if any(_is_gated(condition) for condition in status.get("conditions") or ()):
            self.reason = "SchedulingGated"
        initializing = self._init_containers(spec, status)
        if not initializing or _condition(status, "Initialized"):
            self._containers(status)

    def _init_containers(self, spec: Json, status: Json) -> bool:
        """Counts init containers up to the first that is not done; true if one is not."""
        for index, container in enumerate(status.get("initContainerStatuses") or ()):
            self._count(container)
            state = container.get("state") or {}
            ended = state.get("terminated")
            if ended is not None and ended.get("exitCode", 0) == 0:
                continue
            if container.get("name") in self.sidecars and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            waiting = (state.get("waiting") or {}).get("reason", "")
            if ended is not None:
                self.reason = f"Init:{ended_reason(ended)}"
            elif waiting and waiting != "PodInitializing":
                self.reason = f"Init:{waiting}"
            else:
                self.reason = f"Init:{index}/{len(spec.get('initContainers') or ())}"
            return True
        return False

    def _containers(self, status: Json) -> None:
        inits = status.get("initContainerStatuses") or ()
        self.restarts, self.last_restart = 0, 0.0
        for container in inits:
            if container.get("name") in self.sidecars:
                self._count(container)
        running = False
        for container in reversed(status.get("containerStatuses") or ()):
            self._count(container)
            state = container.get("state") or {}
            ended = state.get("terminated")
            if waiting := (state.get("waiting") or {}).get("reason"):
                self.reason = waiting
            elif ended is not None:
                self.reason = ended_reason(ended)
            elif container.get("ready") and state.get("running") is not None:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if _condition(status, "Ready") else "NotReady"

    def _count(self, container: Json) -> None:
        self.restarts += container.get("restartCount", 0)
        if finished := at(container, "lastState.terminated.finishedAt"):
            self.last_restart = max(self.last_restart, seconds(finished))


def ended_reason(ended: dict[str, Any]) -> str:
    """`Error`, `Signal:9`, `ExitCode:1`: why a container ended."""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _is_gated(condition: Json) -> bool:
    return condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated"


def _condition(status: Json, kind: str) -> bool:
    return any(
        condition.get("type") == kind and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )


def ready(pod: Json, now: float) -> str:
    found = _Summary(pod)
    return f"{found.ready}/{found.total}"


def status(pod: Json, now: float) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        if at(pod, "status.reason") == "NodeLost":
            return "Unknown"
        if at(pod, "status.phase") not in TERMINAL:
            return "Terminating"
    return str(_Summary(pod).reason)


def restarts(pod: Json, now: float) -> str:
    """`0`, or `3 (2m ago)`."""
    found = _Summary(pod)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({human_duration(now - found.last_restart)} ago)"
    return str(found.restarts)


def readiness_gates(pod: Json, now: float) -> str:
    gates = at(pod, "spec.readinessGates") or ()
    if not gates:
        return NONE
    held = sum(_condition(pod.get("status") or {}, gate.get("conditionType", "")) for gate in gates)
    return f"{held}/{len(gates)}"


COLUMNS: Final[tuple[Column, ...]] = (
    NAME,
    column("Ready", ready, description="Ready containers of all containers."),
    column("Status", status, description="The state of the Pod in one word."),
    column("Restarts", restarts, description="Restarts of its containers and when the last one was."),
    AGE,
    column("IP", value("status.podIP", NONE), wide=True, description="Address of the Pod."),
    column("Node", value("spec.nodeName", NONE), wide=True, description="Node it was bound to."),
    column("Nominated Node", value("status.nominatedNodeName", NONE), wide=True, description="Node being made free."),
    column("Readiness Gates", readiness_gates, wide=True, description="Fulfilled readiness gates of all gates."),
)
