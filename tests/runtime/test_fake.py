"""The simulated runtime passes the suite of all runtimes and keeps to what was declared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podling.env import SimulatedEnv
from podling.runtime.fake import Course, Ending, FakeRuntime
from podling.runtime.interface import ContainerConfig, Runtime, RuntimeFailure, SandboxConfig
from podling.testing.virtualtime import run
from tests.suites.runtime import Declared, RuntimeSuite

ENDS = "docker.io/library/ends:latest"


class TestFakeRuntime(RuntimeSuite):
    @asynccontextmanager
    async def runtime(self) -> AsyncIterator[Runtime]:
        yield FakeRuntime(SimulatedEnv(1), courses={ENDS: Course(endings=(Ending(0.5, 3),))})

    def lasting(self) -> Declared:
        return Declared("lasts")

    def ending(self) -> Declared:
        return Declared("ends")


async def _started(runtime: FakeRuntime, image: str, name: str) -> None:
    await runtime.run_sandbox(SandboxConfig("one", "uid", "default", "one", "one"))
    found = await runtime.ensure_image(image, "IfNotPresent")
    await runtime.create_container("one", ContainerConfig(name, "main", found.id))
    await runtime.start_container(name)


def test_stages_take_exactly_the_declared_time() -> None:
    async def scenario() -> None:
        course = Course(pull=7.0, create=1.0, start=2.0)
        runtime = FakeRuntime(SimulatedEnv(1), default=course, sandbox=0.5)
        await _started(runtime, "x", "c")
        assert asyncio.get_running_loop().time() == pytest.approx(10.5)

    run(scenario())


def test_each_run_of_a_container_ends_as_declared() -> None:
    async def scenario() -> None:
        runtime = FakeRuntime(SimulatedEnv(1), default=Course(endings=(Ending(5.0, 1), Ending(5.0, 0))))
        codes = []
        for name in ("first", "second", "third"):
            await _started(runtime, "x", name)
            await asyncio.sleep(6.0)
            found = await runtime.container(name)
            assert found is not None
            codes.append((found.state, found.exit_code))
        assert codes == [("exited", 1), ("exited", 0), ("running", 0)]

    run(scenario())


def test_a_declared_failure_to_pull_or_start_is_raised_with_its_reason() -> None:
    async def scenario() -> None:
        runtime = FakeRuntime(SimulatedEnv(1), courses={ENDS: Course(pull_failure="no such host")})
        with pytest.raises(RuntimeFailure, match="no such host") as caught:
            await runtime.ensure_image("ends", "Always")
        assert caught.value.reason == "ErrImagePull"
        broken = FakeRuntime(SimulatedEnv(1), default=Course(start_failure='exec: "x": not found'))
        with pytest.raises(RuntimeFailure, match="not found"):
            await _started(broken, "x", "c")
        ended = await broken.container("c")
        assert ended is not None
        assert (ended.state, ended.message) == ("exited", 'exec: "x": not found')

    run(scenario())


def test_a_container_that_ignores_sigterm_is_killed_when_its_grace_is_over() -> None:
    async def scenario() -> None:
        runtime = FakeRuntime(SimulatedEnv(1), default=Course(stop=100.0))
        await _started(runtime, "x", "c")
        before = asyncio.get_running_loop().time()
        await runtime.stop_container("c", 30.0)
        assert asyncio.get_running_loop().time() - before == pytest.approx(30.0)
        ended = await runtime.container("c")
        assert ended is not None
        assert ended.exit_code == 137

    run(scenario())
