"""Other limits for a container that runs, as its kernel enforces them."""

from __future__ import annotations

import pytest

from podling.runtime.interface import Resources, RuntimeFailure
from podling.wire.session import STDIN, frame
from tests.runtime.machines import machine

pytestmark = pytest.mark.real

MEBI = 1 << 20
EATING = "x = bytearray({} << 20); print(len(x), flush=True); import time; time.sleep(1000)"


async def test_more_memory_is_there_at_once_and_less_than_is_used_is_refused() -> None:
    async with machine() as m:
        sandbox = await m.sandbox()
        script = f"from sys import stdin; stdin.readline(); {EATING.format(60)}"
        limits = Resources(memory_limit=48 * MEBI)
        container = await m.run(sandbox, "python3", "-c", script, resources=limits, stdin=True, labels={"a": "b"})
        await m.runtime.update_container(container, Resources(memory_limit=128 * MEBI), {"a": "c"})
        session = await m.runtime.attach(container, stdin=True)
        with session:
            session.setblocking(True)
            session.sendall(frame(STDIN, b"\n"))
            assert session.recv(100).endswith(b"62914560\n")
        with pytest.raises(RuntimeFailure, match=r"below current usage"):
            await m.runtime.update_container(container, Resources(memory_limit=8 * MEBI), {"a": "d"})
        found = await m.runtime.container(container)
        assert found is not None and (found.state, found.labels) == ("running", {"a": "c"})


async def test_cpu_and_memory_are_what_the_groups_files_say() -> None:
    async with machine() as m:
        sandbox = await m.sandbox()
        started = Resources(memory_limit=64 * MEBI, cpu_shares=100, cpu_quota=10_000)
        container = await m.run(sandbox, "sleep", "1000", resources=started)
        for wanted in (
            Resources(memory_limit=96 * MEBI, cpu_shares=200, cpu_quota=20_000),
            Resources(memory_limit=32 * MEBI, cpu_shares=2, cpu_quota=1_000),
        ):
            await m.runtime.update_container(container, wanted, {})
            files = "/sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
            unified = "cat /sys/fs/cgroup/cpu.weight /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max"
            memory = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            script = f"test -e /sys/fs/cgroup/cpu.max && {unified} || cat {files} {memory}"
            said = (await m.runtime.exec_sync(container, ("sh", "-c", script), 5)).output.split()
            assert int(said[-1]) == wanted.memory_limit
            assert said[1] == str(wanted.cpu_quota).encode()


async def test_a_container_that_has_ended_cannot_be_changed() -> None:
    async with machine() as m:
        container = await m.run(await m.sandbox(), "true")
        await m.ended(container)
        with pytest.raises(RuntimeFailure, match="is not running"):
            await m.runtime.update_container(container, Resources(cpu_shares=2), {})
