"""The probers of one Pod: born with a container's run, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from podling.api.kinds.core.pod import Pod
from podling.kubelet.containerstart import field_path
from podling.kubelet.podstate import AnyContainer, Attempt, PodState, Probed, declared
from podling.kubelet.probes.prober import Prober, probed_at_birth
from podling.kubelet.probes.types import Target
from podling.kubelet.surroundings import Surroundings, pod_reference
from podling.supervise import Supervisor


class PodProbes:
    """`probed` by container id is what `podsync` and `podstatus` read."""

    def __init__(self, around: Surroundings, pod: Pod, tasks: Supervisor, wake: Callable[[], None]) -> None:
        self.probed: dict[str, Probed] = {}
        self._around, self._pod, self._tasks, self._wake = around, pod, tasks, wake
        self._running: dict[str, asyncio.Task[None]] = {}
        statuses = pod.status.init_container_statuses + pod.status.container_statuses
        self._remembered = {status.container_id.rpartition("/")[2]: status for status in statuses}

    def follow(self, pod: Pod, state: PodState) -> None:
        """Probe what runs, stop probing what ended."""
        self._pod = pod
        alive: dict[str, None] = {}
        for runs in state.attempts.values():
            run = runs[-1]
            if run.state == "running":
                alive[run.id] = None
                container = declared(pod, run.name)
                if container is not None and run.id not in self.probed and _has_probe(container):
                    self._begin(container, run, state)
        for id in [id for id in self.probed if id not in alive]:
            self.stop(id)
            del self.probed[id]

    def stop(self, id: str) -> None:
        """No more questions to this run; its last answers stay."""
        task = self._running.pop(id, None)
        if task is not None:
            task.cancel()

    def stop_all(self) -> None:
        for id in tuple(self._running):
            self.stop(id)

    def _begin(self, container: AnyContainer, run: Attempt, state: PodState) -> None:
        ip = state.sandbox.ip if state.sandbox is not None else ""
        target = Target(container, run.id, ip, self._around.runtime)
        known = self._remembered.get(run.id)
        ready, started = (known.ready, bool(known.started)) if known is not None else (False, False)
        if self._around.runtime.simulated:
            # Nothing listens there; and nothing may be sent to an address that is only imagined.
            self.probed[run.id] = Probed()
            return
        probed = self.probed[run.id] = probed_at_birth(target, ready, started)
        complain = partial(self._complain, run.name)
        prober = Prober(target, run.started_at, probed, self._around.env, partial(self._changed, run.id), complain)
        self._running[run.id] = self._tasks.start(f"probes of {run.name}", prober.run())

    def _changed(self, id: str, probed: Probed) -> None:
        if id in self.probed:
            self.probed[id] = probed
            self._wake()

    def _complain(self, name: str, kind: str, output: str, errored: bool) -> None:
        meta = self._pod.metadata
        where = pod_reference(meta.namespace, meta.name, meta.uid, field_path(self._pod, name))
        words = f"{kind} probe failed: {output}"
        if errored:
            words = f"{kind} probe errored and resulted in unknown state: {output}"
        self._around.recorder.event(where, "Warning", "Unhealthy", words)


def _has_probe(container: AnyContainer) -> bool:
    probes = (container.startup_probe, container.liveness_probe, container.readiness_probe)
    return any(probe is not None for probe in probes)
