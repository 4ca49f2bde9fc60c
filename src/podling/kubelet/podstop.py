"""Ending containers: preStop, the stop signal, SIGKILL; a whole Pod with its sidecars last."""

from __future__ import annotations

from podling.api.kinds.core.pod import Pod
from podling.kubelet.containerstart import field_path
from podling.kubelet.hooks import run_hook
from podling.kubelet.podstate import Attempt, PodState, declared, is_sidecar
from podling.kubelet.podsync import SHORTEST_GRACE
from podling.kubelet.probes.types import Target
from podling.kubelet.surroundings import Surroundings, pod_reference
from podling.supervise import Supervisor


async def kill_container(around: Surroundings, pod: Pod, run: Attempt, pod_ip: str, grace: float, why: str) -> None:
    """Returns when the run has ended; the preStop hook's time counts into `grace`. Raises RuntimeFailure."""
    meta = pod.metadata
    where = pod_reference(meta.namespace, meta.name, meta.uid, field_path(pod, run.name))
    around.recorder.event(where, "Normal", "Killing", why)
    container = declared(pod, run.name)
    hook = container.lifecycle.pre_stop if container is not None and container.lifecycle is not None else None
    began = around.env.monotonic()
    if container is not None and hook is not None and run.state == "running":
        failed = await run_hook(hook, Target(container, run.id, pod_ip, around.runtime), around.env, grace)
        if failed:
            around.recorder.event(where, "Warning", "FailedPreStopHook", f"PreStopHook failed: {failed}")
    left = max(grace - (around.env.monotonic() - began), SHORTEST_GRACE)
    await around.runtime.stop_container(run.id, left)


async def kill_containers(around: Surroundings, pod: Pod, state: PodState, grace: float) -> None:
    """End all runs: regular ones together, then sidecars, the last declared first. Raises RuntimeFailure."""
    ip = state.sandbox.ip if state.sandbox is not None else ""
    deadline = around.env.monotonic() + grace
    sidecars = [container.name for container in pod.spec.init_containers if is_sidecar(container)]
    alive = [run for run in state.all() if run.state != "exited"]

    async def end(run: Attempt) -> None:
        left = max(deadline - around.env.monotonic(), SHORTEST_GRACE)
        await kill_container(around, pod, run, ip, left, f"Stopping container {run.name}")

    async with Supervisor() as ending:
        for run in alive:
            if run.name not in sidecars:
                ending.start(f"end {run.name}", end(run))
        await ending.wait()
    for name in reversed(sidecars):
        for run in alive:
            if run.name == name:
                await end(run)
