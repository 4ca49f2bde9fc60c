"""The suite of all runtimes, for real containers of crun and of runc."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from podling.runtime.interface import Runtime
from podling.runtime.oci import OciRuntime
from tests.runtime.machines import machine, real
from tests.suites.runtime import Declared, RuntimeSuite


class _Oci(RuntimeSuite):
    binary = ""

    @contextlib.asynccontextmanager
    async def runtime(self) -> AsyncIterator[Runtime]:
        async with machine(self.binary) as made:
            yield _Patient(made.runtime)

    def lasting(self) -> Declared:
        return Declared(
            "host", ("python3", "-c", "import signal; signal.signal(15, lambda *_: exit(0)); signal.pause()")
        )

    def ending(self) -> Declared:
        return Declared("host", ("sh", "-c", "exit 3"))


class _Patient:
    """The runtime, but a start returns only when the program minds SIGTERM, which it has to say first."""

    def __init__(self, runtime: OciRuntime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    async def start_container(self, container: str) -> None:
        await self._runtime.start_container(container)
        while (found := await self._runtime.container(container)) and found.state == "running":
            if _minds_sigterm(found.pid):
                return


def _minds_sigterm(pid: int) -> bool:
    try:
        program = Path(f"/proc/{pid}/comm").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    if not program.startswith("python"):
        return False  # still the runtime's own first steps, which catch signals too
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@real
class TestCrun(_Oci):
    binary = "crun"


@real
class TestRunc(_Oci):
    binary = "runc"


del _Oci
