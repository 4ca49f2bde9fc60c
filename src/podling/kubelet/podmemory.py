"""What one worker remembers of its Pod: written by its loop and its actions, read by the deciding functions as `Facts`.

All of it may be lost with the process: what must not be is in the runtime's labels and in the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.kubelet import termination
from podling.kubelet.containerstart import field_path, termination_file
from podling.kubelet.podprobes import PodProbes
from podling.kubelet.podstate import Facts, Failure, PodState, Waiting, attempt_of, declared
from podling.kubelet.podvolumes import PodVolumes
from podling.kubelet.resizing import remembered
from podling.kubelet.surroundings import Surroundings, pod_reference
from podling.reconcile.resizing import Refusal
from podling.supervise import Supervisor


class PodMemory:
    def __init__(self, pod: Pod, state: PodState, around: Surroundings, tasks: Supervisor) -> None:
        self.pod, self.state, self.around = pod, state, around
        self.uid = pod.metadata.uid
        self.where = pod_reference(pod.metadata.namespace, pod.metadata.name, self.uid)
        self.sandbox_id = state.sandbox.id if state.sandbox is not None else ""
        self.waiting: dict[str, Waiting] = {}
        self.volumes_ready = self.volumes_stale = False
        self.removed = self.stopped = False
        self.failure: Failure | None = None
        self.allotted: Mapping[str, ResourceRequirements] = remembered(pod, state)
        self.pending: Refusal | None = None
        self.resizing: dict[str, Waiting] = {}
        self.replaced: dict[str, None] = {}
        """Runs that are ended to be followed by others."""
        self.wake = asyncio.Event()
        """Set by everything that may change a decision."""
        self.volumes = PodVolumes(around, self.uid, self.reference_changed)
        self.probes = PodProbes(around, pod, tasks, self.wake.set)
        self._stale: dict[str, None] = {}
        self._curious: list[asyncio.Event] = []

    def facts(self, busy: frozenset[str]) -> Facts:
        return Facts(
            volumes_ready=self.volumes_ready,
            removed=self.removed,
            stopped=self.stopped,
            failure=self.failure,
            allotted=self.allotted,
            pending=self.pending,
            resizing=self.resizing,
            busy=busy,
            waiting=self.waiting,
            probes=self.probes.probed,
        )

    def wait(self, key: str, reason: str, message: str, delay: float, image: str = "") -> None:
        """Nothing more for a container (or the Pod, under "") for `delay` seconds."""
        now = self.around.env.now()
        self.waiting[key] = Waiting(reason, message, now, now + delay, delay, image)

    def reference_changed(self) -> None:
        """A ConfigMap or Secret changed: show it, and try again at once what it may have prevented."""
        self.volumes_stale = True
        self.retry_configuration()
        self.wake.set()

    def retry_configuration(self) -> None:
        """What a container's configuration is made of has changed: no longer wait with one that could not be made."""
        for name, waiting in tuple(self.waiting.items()):
            if not name or waiting.reason == "CreateContainerConfigError":
                self.waiting[name] = msgspec.structs.replace(waiting, until=0.0)

    def tell(self, type: str, reason: str, message: str, container: str = "") -> None:
        """An Event about the Pod, or about one of its containers."""
        path = field_path(self.pod, container) if container else ""
        where = msgspec.structs.replace(self.where, field_path=path) if path else self.where
        self.around.recorder.event(where, type, reason, message)

    def changed(self, container: str) -> None:
        """What is known of this container is no longer true."""
        self._stale[container] = None
        self.wake.set()

    async def refresh(self) -> None:
        """Read again what has changed. Raises RuntimeFailure."""
        while self._stale:
            id = next(iter(self._stale))
            del self._stale[id]
            try:
                await self._read(id)
            except BaseException:
                self._stale[id] = None
                raise
        self.let_look()

    async def _read(self, id: str) -> None:
        found = await self.around.runtime.container(id)
        if found is None:
            self.state = self.state.without(id)
            return
        attempt = attempt_of(found)
        container = declared(self.pod, attempt.name)
        if attempt.state == "exited" and container is not None and not attempt.message:
            file = termination_file(self.around.config.pod_folder(self.uid), attempt.name, attempt.number)
            said = termination.message(container, file, found.log_path, attempt.exit_code)
            attempt = msgspec.structs.replace(attempt, message=said)
        if id in self.replaced:
            attempt = msgspec.structs.replace(attempt, replaced=True)
        self.state = self.state.with_attempt(attempt)

    async def moved(self) -> None:
        """Until something was read again."""
        event = asyncio.Event()
        self._curious.append(event)
        await event.wait()

    def let_look(self) -> None:
        """End every `moved`."""
        for event in self._curious:
            event.set()
        self._curious.clear()
