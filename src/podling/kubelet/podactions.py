"""What a worker does for its Pod, one method an action of `podsync`.

No rule of Kubernetes is decided here: an action is carried out, and what came of it goes into the worker's memory.
"""

from __future__ import annotations

import asyncio

import msgspec

from podling.kubelet import backoff, devices, podsync
from podling.kubelet.containerstart import ContainerStart, StartFailure
from podling.kubelet.hostports import publish
from podling.kubelet.podmemory import PodMemory
from podling.kubelet.podsandbox import sandbox_config, write_etc
from podling.kubelet.podstate import RESOURCES, Waiting, declared, resources_label
from podling.kubelet.podstop import kill_container, kill_containers
from podling.kubelet.podsync import POD, Action
from podling.kubelet.podvolumes import VolumeError
from podling.kubelet.qos import resources_of
from podling.kubelet.surroundings import Surroundings
from podling.runtime.interface import RuntimeFailure
from podling.supervise import Supervisor

FIRST_CONFIG_RETRY, CONFIG_RETRY = 1.0, 10.0
STOP_RETRY = 1.0
FIRST_SETUP_RETRY, LONGEST_SETUP_RETRY = 0.5, 122.0


class PodActions:
    """Every method may raise RuntimeFailure, ApiError or OSError: the worker tries again."""

    def __init__(self, around: Surroundings, memory: PodMemory) -> None:
        self._around, self._memory = around, memory

    async def set_up(self, parts: list[Action]) -> None:
        memory = self._memory
        async with Supervisor() as both:
            mounting = None
            if any(isinstance(part, podsync.Prepare) for part in parts):
                mounting = both.start(f"volumes of {memory.where.name}", self._mount())
            if any(isinstance(part, podsync.RunSandbox) for part in parts):
                await self._run_sandbox()
            if mounting is not None:
                await mounting
        if memory.volumes_ready and memory.state.sandbox is not None:
            memory.waiting.pop(POD, None)

    async def _mount(self) -> None:
        memory = self._memory
        memory.volumes_stale = False
        if not self._around.runtime.simulated and (why := devices.unprepared(memory.pod)):
            memory.tell("Warning", devices.REASON, why)
            self._retry_setup(why)
            return
        try:
            await memory.volumes.mount(memory.pod)
        except VolumeError as error:
            for message in error.messages:
                memory.tell("Warning", "FailedMount", message)
            self._retry_setup(str(error))
            return
        memory.volumes_ready = True

    def _retry_setup(self, message: str) -> None:
        before = self._memory.waiting.get(POD)
        delay = FIRST_SETUP_RETRY if before is None else min(2 * before.delay, LONGEST_SETUP_RETRY)
        self._memory.wait(POD, "ContainerCreating", message, delay)

    async def _run_sandbox(self) -> None:
        memory = self._memory
        around, config = self._around, self._around.config
        if memory.state.sandbox is not None:
            await around.runtime.remove_sandbox(memory.state.sandbox.id)
            memory.state = memory.state.with_sandbox(None)
        memory.sandbox_id = around.env.token(32).hex()
        try:
            if memory.pod.spec.host_users is False and not around.runtime.simulated:
                raise RuntimeFailure("user namespaces (hostUsers: false) are not supported by this node")
            async with around.calls:
                sandbox = await around.runtime.run_sandbox(
                    sandbox_config(memory.pod, memory.sandbox_id, config.node_name)
                )
        except (RuntimeFailure, OSError) as error:
            memory.tell("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            self._retry_setup(str(error))
            return
        if memory.pod.spec.host_network:
            sandbox = msgspec.structs.replace(sandbox, ip=config.internal_ip)
        write_etc(memory.pod, sandbox, config)
        if around.runtime.simulated:
            memory.tell("Normal", "Simulated", "This Pod is simulated: its containers run no process")
        memory.state = memory.state.with_sandbox(sandbox)
        publish(memory.pod, sandbox, around.ports)

    async def start(self, step: podsync.Start) -> None:
        memory = self._memory
        sandbox = memory.state.sandbox
        assert sandbox is not None
        start = ContainerStart(self._around, memory.pod, step, sandbox, memory.volumes.paths, memory.allotted)
        old = memory.state.attempts.get(step.name, ())[:-1]
        try:
            running = await start.run()
        except StartFailure as failure:
            self._start_failed(step.name, failure)
            return
        finally:
            memory.changed(start.id)
        memory.waiting.pop(step.name, None)
        await memory.refresh()
        for run in old:
            memory.state = memory.state.without(run.id)
            await self._around.runtime.remove_container(run.id)
        if running:
            memory.wake.set()
            await start.post_start()

    def _start_failed(self, name: str, failure: StartFailure) -> None:
        before = self._memory.waiting.get(name)
        last = before.delay if before is not None else 0.0
        if failure.reason == "ErrImagePull":
            delay = backoff.doubled(last)
        else:
            delay = min(max(2 * last, FIRST_CONFIG_RETRY), CONFIG_RETRY)
        self._memory.wait(name, failure.reason, failure.message, delay, failure.image)

    def back_off_pull(self, name: str) -> None:
        memory = self._memory
        waiting = memory.waiting[name]
        if declared(memory.pod, name) is None:
            return
        words = f'Back-off pulling image "{waiting.image}"'
        message = f"{words}: {waiting.reason}: {waiting.message}"
        memory.waiting[name] = msgspec.structs.replace(waiting, reason="ImagePullBackOff", message=message)
        memory.tell("Normal", "BackOff", words, name)
        memory.tell("Warning", "Failed", "Error: ImagePullBackOff", name)
        memory.wake.set()

    async def kill(self, step: podsync.Kill) -> None:
        memory = self._memory
        run = memory.state.last(step.name)
        if run is not None and run.id == step.id:
            ip = memory.state.sandbox.ip if memory.state.sandbox is not None else ""
            memory.probes.stop(step.id)
            if step.replace:
                memory.replaced[step.id] = None
            await kill_container(self._around, memory.pod, run, ip, step.grace, step.why)
            memory.changed(step.id)

    async def resize(self, step: podsync.Resize) -> None:
        memory, around = self._memory, self._around
        container, found = declared(memory.pod, step.name), await around.runtime.container(step.id)
        if container is None or found is None:
            return
        allotted = memory.allotted[step.name]
        wanted = resources_of(memory.pod, msgspec.structs.replace(container, resources=allotted), around.memory)
        labels = {**found.labels, RESOURCES: resources_label(allotted)}
        try:
            await around.runtime.update_container(step.id, wanted, labels)
        except RuntimeFailure as failure:
            now, before = around.env.now(), memory.resizing.get(step.name)
            delay = min(2 * before.delay, CONFIG_RETRY) if before is not None else FIRST_CONFIG_RETRY
            memory.resizing[step.name] = Waiting("Error", failure.message, now, now + delay, delay)
            memory.tell("Warning", "ResizeError", f"Error: {failure.message}", step.name)
        else:
            memory.resizing.pop(step.name, None)
            memory.changed(step.id)

    async def discard(self, step: podsync.Discard) -> None:
        await self._around.runtime.remove_container(step.id)
        self._memory.state = self._memory.state.without(step.id)

    async def stop(self, unfinished: list[asyncio.Task[None]], grace: float) -> None:
        memory = self._memory
        await asyncio.gather(*unfinished, return_exceptions=True)
        await memory.refresh()
        try:
            await kill_containers(self._around, memory.pod, memory.state, grace)
            if memory.sandbox_id:
                await self._around.runtime.stop_sandbox(memory.sandbox_id)
        except (RuntimeFailure, OSError) as error:
            memory.tell("Warning", "FailedKillPod", f"error killing pod: {error}")
            await self._around.env.sleep(STOP_RETRY)
            return
        for run in memory.state.all():
            if run.state != "exited":
                memory.changed(run.id)
        await memory.refresh()
        self._around.ports.close_host_ports(memory.uid)
        if memory.state.sandbox is not None:
            memory.state = memory.state.with_sandbox(msgspec.structs.replace(memory.state.sandbox, ready=False))
        memory.stopped = True

    async def rewrite(self) -> None:
        memory = self._memory
        try:
            await memory.volumes.mount(memory.pod)
        except VolumeError as error:
            for message in error.messages:
                memory.tell("Warning", "FailedMount", message)
            memory.volumes.refresh_at = self._around.env.now() + CONFIG_RETRY
