"""Whose processes a container sees: its own, its Pod's, or those of one other container."""

from __future__ import annotations

import pytest

from podling.runtime.interface import RuntimeFailure
from tests.runtime.machines import machine

pytestmark = pytest.mark.real

FOREVER = ("sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done")


def killing(program: str, signal: int = 15) -> str:
    """A script that kills every process it sees that was called so."""
    found = f"tr '\\0' ' ' < $p/cmdline | grep -q '^{program}'"
    return f"for p in /proc/[0-9]*; do {found} && kill -{signal} ${{p#/proc/}} && echo killed; done"


async def test_containers_of_a_pod_that_shares_its_processes_see_and_signal_one_another() -> None:
    async with machine() as m:
        sandbox = await m.sandbox(shared_pid=True)
        first = await m.run(sandbox, "sleep", "1000")
        second = await m.run(sandbox, "sh", "-c", f"{killing('sleep 1000')}; echo $$")
        ended = await m.ended(second)
        assert ended.exit_code == 0, m.output(second)
        assert "stdout F killed" in m.output(second)
        assert (await m.ended(first)).signal == 15
        assert m.output(second)[-1] != "stdout F 1"
        await m.runtime.stop_sandbox(sandbox.id)
        await m.runtime.remove_sandbox(sandbox.id)
        assert await m.runtime.list() == ((), ())


async def test_orphans_of_shared_processes_are_reaped() -> None:
    async with machine() as m:
        sandbox = await m.sandbox(shared_pid=True)
        leaving = "(sleep 0.05 &) ; (sleep 0.05 &); sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"
        container = await m.run(sandbox, "sh", "-c", leaving)
        await m.ended(container)
        assert m.output(container)[-1] == "stdout F 0"


async def test_a_container_may_look_at_the_processes_of_one_other() -> None:
    async with machine() as m:
        sandbox = await m.sandbox()
        target = await m.run(sandbox, *FOREVER)
        other = await m.run(sandbox, "sleep", "2000")
        looking = await m.run(sandbox, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline", processes_of=target)
        await m.ended(looking)
        assert "while true" in m.output(looking)[0]
        await m.runtime.stop_container(other, 0)
        with pytest.raises(RuntimeFailure, match="is not running"):
            await m.run(sandbox, "true", processes_of=other)


async def test_a_sandbox_whose_first_process_was_killed_is_no_longer_ready() -> None:
    async with machine() as m, m.runtime.events() as events:
        sandbox = await m.sandbox(shared_pid=True)
        container = await m.run(sandbox, "sleep", "1000")
        nodes = await m.sandbox(host_pid=True)
        await m.run(nodes, "sh", "-c", f"exec 2>/dev/null; {killing('sleep infinity', 9)}")
        async for event in events:
            if (event.kind, event.id) == ("exited", container):
                break
        ready = {each.id: each.ready for each in (await m.runtime.list())[0]}
        assert ready == {sandbox.id: False, nodes.id: True}
