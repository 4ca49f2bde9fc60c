"""What every runtime must do: the verbs of `runtime/interface.py` as the kubelet leans on them.

A runtime's test file subclasses `RuntimeSuite` and answers its three questions: the runtime itself, how a container
that runs until it is told to stop is declared, and one that ends with code 3 at once. Where processes really run
(`simulated` is False) the same tests show it for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest

from podling.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerEvent,
    Runtime,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
)

DEADLINE = 10.0


class Declared(msgspec.Struct, frozen=True):
    """A kind of container: which image (as a Pod names it), which command and arguments."""

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class RuntimeSuite:
    """Subclass it; the subclass's file decides about marks (`real`) and skips."""

    def runtime(self) -> AbstractAsyncContextManager[Runtime]:
        """A fresh runtime that holds nothing; leaving the block cleans up."""
        raise NotImplementedError

    def lasting(self) -> Declared:
        """Runs until it gets SIGTERM, and obeys it within a second."""
        raise NotImplementedError

    def ending(self) -> Declared:
        """Ends by itself at once with exit code 3."""
        raise NotImplementedError

    async def test_a_sandbox_has_an_address_and_is_listed_with_its_labels(self) -> None:
        async with self.runtime() as runtime:
            sandbox = await runtime.run_sandbox(_sandbox("one"))
            assert sandbox.ready
            assert sandbox.ip
            listed, containers = await runtime.list()
            assert [(each.id, each.pod_uid, each.labels) for each in listed] == [("one", "uid-one", {"pod": "one"})]
            assert containers == ()

    async def test_two_sandboxes_have_different_addresses(self) -> None:
        async with self.runtime() as runtime:
            first, second = [await runtime.run_sandbox(_sandbox(name)) for name in ("one", "two")]
            assert first.ip != second.ip

    async def test_making_the_same_sandbox_twice_changes_nothing(self) -> None:
        async with self.runtime() as runtime:
            first = await runtime.run_sandbox(_sandbox("one"))
            assert await runtime.run_sandbox(_sandbox("one")) == first

    async def test_a_container_is_created_then_runs_then_stops_when_told(self) -> None:
        async with self.runtime() as runtime:
            await self._make(runtime, "one", "c", self.lasting())
            assert (await _state(runtime, "c")).state == "created"
            await runtime.start_container("c")
            running = await _state(runtime, "c")
            assert running.state == "running"
            assert running.started_at >= running.created_at > 0
            await runtime.stop_container("c", 5.0)
            ended = await _state(runtime, "c")
            assert ended.state == "exited"
            assert ended.finished_at >= ended.started_at
            assert ended.exit_code in (0, 143)

    async def test_a_container_that_ends_tells_its_exit_code(self) -> None:
        async with self.runtime() as runtime, runtime.events() as events:
            await self._make(runtime, "one", "c", self.ending())
            await runtime.start_container("c")
            await _event(events, "exited", "c")
            ended = await _state(runtime, "c")
            assert (ended.state, ended.exit_code, ended.signal) == ("exited", 3, 0)

    async def test_a_start_is_told_to_whoever_listens(self) -> None:
        async with self.runtime() as runtime, runtime.events() as events:
            await self._make(runtime, "one", "c", self.lasting())
            await runtime.start_container("c")
            assert (await _event(events, "started", "c")).sandbox == "one"

    async def test_stopping_without_grace_kills(self) -> None:
        async with self.runtime() as runtime:
            await self._make(runtime, "one", "c", self.lasting())
            await runtime.start_container("c")
            await runtime.stop_container("c", 0.0)
            assert (await _state(runtime, "c")).exit_code == 137

    async def test_stopping_a_sandbox_ends_its_containers_and_gives_the_address_back(self) -> None:
        async with self.runtime() as runtime:
            sandbox = await self._make(runtime, "one", "c", self.lasting())
            await runtime.start_container("c")
            await runtime.stop_sandbox("one")
            assert (await _state(runtime, "c")).state == "exited"
            (listed,), _ = await runtime.list()
            assert not listed.ready
            await runtime.remove_sandbox("one")
            assert await runtime.list() == ((), ())
            assert (await runtime.run_sandbox(_sandbox("two"))).ip == sandbox.ip

    async def test_removing_a_running_container_kills_it_and_forgets_it(self) -> None:
        async with self.runtime() as runtime:
            await self._make(runtime, "one", "c", self.lasting())
            await runtime.start_container("c")
            await runtime.remove_container("c")
            assert await runtime.container("c") is None

    async def test_stopping_and_removing_what_is_gone_is_no_error(self) -> None:
        async with self.runtime() as runtime:
            await runtime.stop_container("never", 1.0)
            await runtime.remove_container("never")
            await runtime.stop_sandbox("never")
            await runtime.remove_sandbox("never")

    async def test_an_invalid_image_name_is_refused(self) -> None:
        async with self.runtime() as runtime:
            with pytest.raises(RuntimeFailure) as caught:
                await runtime.ensure_image("NOT VALID", "IfNotPresent")
            assert caught.value.reason == "InvalidImageName"

    async def test_an_absent_image_that_may_not_be_pulled_is_refused(self) -> None:
        async with self.runtime() as runtime:
            with pytest.raises(RuntimeFailure) as caught:
                await runtime.ensure_image("absent-for-ever:1", "Never")
            assert caught.value.reason == "ErrImageNeverPull"

    async def test_an_image_keeps_its_identity_and_is_listed_by_its_full_name(self) -> None:
        async with self.runtime() as runtime:
            image = await runtime.ensure_image(self.lasting().image, "IfNotPresent")
            assert image.id.startswith("sha256:")
            assert await runtime.ensure_image(self.lasting().image, "IfNotPresent") == image
            assert image.id in [each.id for each in await runtime.images()]
            assert all("/" in name and ":" in name for name in image.names)

    async def test_a_container_of_an_unknown_sandbox_is_refused(self) -> None:
        async with self.runtime() as runtime:
            image = await runtime.ensure_image(self.lasting().image, "IfNotPresent")
            with pytest.raises(RuntimeFailure):
                await runtime.create_container("nowhere", ContainerConfig("c", "c", image.id))

    async def test_what_a_container_wrote_is_nothing_before_and_after_its_life(self) -> None:
        async with self.runtime() as runtime:
            assert await runtime.written("c") == 0
            await self._make(runtime, "one", "c", self.lasting())
            assert await runtime.written("c") == 0
            await runtime.remove_container("c")
            assert await runtime.written("c") == 0

    async def test_what_needs_a_process_works_or_is_refused_in_words(self) -> None:
        async with self.runtime() as runtime:
            await self._make(runtime, "one", "c", self.lasting())
            await runtime.start_container("c")
            if runtime.simulated:
                with pytest.raises(RuntimeFailure, match="simulated"):
                    await runtime.exec("c", ("true",))
                with pytest.raises(OSError, match="simulated"):
                    await runtime.connect("one", 80)
            else:
                session = await runtime.exec("c", ("true",))
                session.close()
                with pytest.raises(OSError):
                    await runtime.connect("one", 1)

    async def _make(self, runtime: Runtime, sandbox: str, container: str, declared: Declared) -> Sandbox:
        made = await runtime.run_sandbox(_sandbox(sandbox))
        image = await runtime.ensure_image(declared.image, "IfNotPresent")
        config = ContainerConfig(container, "main", image.id, declared.command, declared.args)
        await runtime.create_container(sandbox, config)
        return made


def _sandbox(name: str) -> SandboxConfig:
    return SandboxConfig(name, f"uid-{name}", "default", name, name, labels={"pod": name})


async def _state(runtime: Runtime, container: str) -> Container:
    found = await runtime.container(container)
    assert found is not None
    return found


async def _event(events: AsyncIterator[ContainerEvent], kind: str, container: str) -> ContainerEvent:
    async with asyncio.timeout(DEADLINE):
        async for event in events:
            if (event.kind, event.id) == (kind, container):
                return event
    raise AssertionError("the events ended")
