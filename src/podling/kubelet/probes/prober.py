"""Asks one running container its probes, for as long as it runs.

The startup probe first; liveness and readiness once it has succeeded. Each question starts a period after the one
before started, as upstream's ticker does it; every change of a verdict is told at once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from podling.api.kinds.core.container import Probe
from podling.env import Env
from podling.kubelet.podstate import Probed
from podling.kubelet.probes.registry import ask
from podling.kubelet.probes.threshold import Count, counted
from podling.kubelet.probes.types import Target
from podling.supervise import Supervisor

DEFAULT_PERIOD = 10
DEFAULT_TIMEOUT = 1


def probed_at_birth(target: Target, ready: bool = False, started: bool = False) -> Probed:
    """What holds before the first answer; `ready` and `started` are what the API remembers of this very run."""
    container = target.container
    return Probed(
        started=container.startup_probe is None or started,
        ready=container.readiness_probe is None or ready,
    )


class Prober:
    """`changed` is called with each new state, `complained` with (kind, output, errored) of every bad answer."""

    def __init__(
        self,
        target: Target,
        started_at: float,
        probed: Probed,
        env: Env,
        changed: Callable[[Probed], None],
        complained: Callable[[str, str, bool], None],
    ) -> None:
        self._target, self._started_at, self._env = target, started_at, env
        self._changed, self._complained = changed, complained
        self.probed = probed

    async def run(self) -> None:
        container = self._target.container
        if container.startup_probe is not None and not self.probed.started:
            if not await self._start_up(container.startup_probe):
                return
            self._tell(msgspec.structs.replace(self.probed, started=True))
        async with Supervisor() as tasks:
            if container.liveness_probe is not None:
                tasks.start("liveness", self._live(container.liveness_probe))
            if container.readiness_probe is not None:
                tasks.start("readiness", self._ready(container.readiness_probe))
            await tasks.wait()

    async def _start_up(self, probe: Probe) -> bool:
        count = Count()
        async with aclosing(self._answers("Startup", probe)) as answers:
            async for success in answers:
                count = counted(count, success, probe)
                if count.verdict is not None:
                    break
        if not count.verdict:
            self._tell(msgspec.structs.replace(self.probed, failed="Startup"))
        return bool(count.verdict)

    async def _live(self, probe: Probe) -> None:
        count = Count()
        async with aclosing(self._answers("Liveness", probe)) as answers:
            async for success in answers:
                count = counted(count, success, probe)
                if count.verdict is False:
                    break
        self._tell(msgspec.structs.replace(self.probed, failed="Liveness"))

    async def _ready(self, probe: Probe) -> None:
        count = Count(verdict=self.probed.ready)
        async with aclosing(self._answers("Readiness", probe)) as answers:
            async for success in answers:
                count = counted(count, success, probe)
                if count.verdict is not None and count.verdict != self.probed.ready:
                    self._tell(msgspec.structs.replace(self.probed, ready=count.verdict))

    async def _answers(self, kind: str, probe: Probe) -> AsyncGenerator[bool, None]:
        """True for every good answer, False for every bad one; an errored probe is told but does not count."""
        await self._env.sleep(max(self._started_at + probe.initial_delay_seconds - self._env.now(), 0.0))
        while True:
            began = self._env.monotonic()
            outcome = await ask(probe, self._target, float(probe.timeout_seconds or DEFAULT_TIMEOUT))
            if outcome.result != "success":
                self._complained(kind, outcome.output, outcome.result == "unknown")
            if outcome.result != "unknown":
                yield outcome.result == "success"
            period = float(probe.period_seconds or DEFAULT_PERIOD)
            await self._env.sleep(max(began + period - self._env.monotonic(), 0.0))

    def _tell(self, probed: Probed) -> None:
        self.probed = probed
        self._changed(probed)
