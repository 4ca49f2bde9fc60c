"""Containers as their Pods ask for them: users, roots, namespaces, devices, limits, words of failure."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.runtime.images.build import Builder
from podling.runtime.interface import Mount, Resources, RuntimeFailure, Security
from tests.runtime.machines import Machine, NoRegistry, machine, real

pytestmark = real
BOTH = pytest.mark.parametrize("binary", ["crun", "runc"])


async def shown(m: Machine, *command: str, sandbox: dict[str, object] | None = None, **changes: object) -> list[str]:
    """What a container with this command prints until it ends."""
    container = await m.run(await m.sandbox(**(sandbox or {})), *command, **changes)
    await m.ended(container)
    return [line.split(" ", 2)[2] for line in m.output(container)]


@BOTH
async def test_an_image_from_nothing_runs_with_what_it_brings(tmp_path: Path, binary: str) -> None:
    (tmp_path / "ldconfig").write_bytes(Path("/sbin/ldconfig").read_bytes())  # the one static program of every host
    (tmp_path / "ldconfig").chmod(0o755)
    (tmp_path / "Containerfile").write_text(
        'FROM scratch\nCOPY ldconfig /\nENTRYPOINT ["/ldconfig"]\nCMD ["--version"]\n'
    )
    async with machine(binary) as m:
        image = await Builder(m.store, NoRegistry(), SystemEnv()).build(tmp_path, ("static",))
        assert (await shown(m, image=image.id))[0].startswith("ldconfig")


@BOTH
async def test_a_program_that_is_not_there_is_named(binary: str) -> None:
    async with machine(binary) as m:
        sandbox = await m.sandbox()
        for program, said in (
            ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
            ("/no/such", 'exec: "/no/such": stat /no/such: no such file or directory'),
            ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
        ):
            with pytest.raises(RuntimeFailure) as failure:
                await m.run(sandbox, program)
            assert said in failure.value.message
            assert failure.value.reason == "RunContainerError"
        _, containers = await m.runtime.list()
        assert [(c.state, c.exit_code) for c in containers] == [("exited", 128)] * 3
        assert containers[0].message.endswith('exec: "no-such-program": executable file not found in $PATH')


@BOTH
async def test_a_missing_command_in_a_running_container_is_named(binary: str) -> None:
    async with machine(binary) as m:
        container = await m.run(await m.sandbox(), "sleep", "1000")
        with pytest.raises(RuntimeFailure, match='exec: "nope": executable file not found in \\$PATH'):
            await m.runtime.exec(container, ("nope",))
        with pytest.raises(RuntimeFailure, match='exec: "nope": executable file not found in \\$PATH'):
            await m.runtime.exec_sync(container, ("nope",), 1)


@BOTH
async def test_a_command_that_takes_too_long_is_killed(binary: str) -> None:
    async with machine(binary) as m:
        container = await m.run(await m.sandbox(), "sleep", "1000")
        result = await m.runtime.exec_sync(container, ("sh", "-c", "echo begun; exec sleep 60"), 0.3)
        assert (result.timed_out, result.output) == (True, b"begun\n")


@BOTH
async def test_a_user_a_group_and_more_groups(binary: str) -> None:
    async with machine(binary) as m:
        security = Security(user=1000, group=2000, supplemental_groups=(3000,))
        assert await shown(m, "sh", "-c", "id -u; id -g; id -G; echo $HOME", security=security) == [
            "1000",
            "2000",
            "2000 3000",
            "/",
        ]


async def test_a_user_that_the_image_lacks_is_refused() -> None:
    async with machine() as m:
        with pytest.raises(RuntimeFailure, match="unable to find user ghost") as failure:
            await m.run(await m.sandbox(), "true", security=Security(user_name="ghost"))
        assert failure.value.reason == "CreateContainerError"


@BOTH
async def test_a_read_only_root_is_read_only_everywhere_but_in_its_volumes(tmp_path: Path, binary: str) -> None:
    async with machine(binary) as m:
        program = "for f in /x /usr/x /etc/x /data/x /ro/x; do touch $f 2>/dev/null && echo $f; done; true"
        (tmp_path / "data").mkdir()
        mounts = (Mount(str(tmp_path / "data"), "/data"), Mount(str(tmp_path / "data"), "/ro", True))
        security = Security(read_only_root=True)
        assert await shown(m, "sh", "-c", program, security=security, mounts=mounts) == ["/data/x"]
        assert (tmp_path / "data/x").exists()


@BOTH
async def test_a_container_sees_its_own_processes_and_host_pid_the_nodes(binary: str) -> None:
    async with machine(binary) as m:
        program = "echo $$; ls /proc | grep -c '^[0-9]'; tr '\\0' ' ' < /proc/1/cmdline"
        own = await shown(m, "sh", "-c", program)
        assert own[0] == "1"
        assert own[2].startswith("sh -c")
        shared = await shown(m, "sh", "-c", program, sandbox={"host_pid": True})
        assert int(shared[0]) > 1
        assert "podling.keeper" in shared[2]


async def test_what_a_container_with_the_nodes_processes_left_running_ends_with_it() -> None:
    async with machine() as m:
        sandbox = await m.sandbox(host_pid=True)
        container = await m.run(sandbox, "sh", "-c", "sleep 4321 & sleep 0.1; exit 0")
        await m.ended(container)
        await m.runtime.remove_container(container)
        other = await m.run(sandbox, "sleep", "1000")
        async with asyncio.timeout(5):
            while (await m.runtime.exec_sync(other, ("pgrep", "-f", "^sleep 4321"), 5)).exit_code == 0:
                await asyncio.sleep(0.01)


async def test_pods_have_a_hostname_and_a_network_of_their_own_and_host_network_the_nodes() -> None:
    async with machine() as m:
        program = ("sh", "-c", "hostname; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc")
        name, net, ipc = await shown(m, *program, sandbox={"hostname": "web-0"})
        node = {kind: os.readlink(f"/proc/{m.keeper.pid}/ns/{kind}") for kind in ("net", "ipc")}
        assert (name, net == node["net"], ipc == node["ipc"]) == ("web-0", False, False)
        _, net, ipc = await shown(m, *program, sandbox={"host_network": True, "host_ipc": True})
        assert (net, ipc) == (node["net"], node["ipc"])


async def test_containers_of_a_pod_share_its_memory_files_and_others_do_not() -> None:
    async with machine() as m:
        first, second = await m.sandbox(), await m.sandbox()
        await m.ended(await m.run(first, "touch", "/dev/shm/mine"))
        beside, apart = await m.run(first, "ls", "/dev/shm"), await m.run(second, "ls", "/dev/shm")
        await m.ended(beside)
        await m.ended(apart)
        assert m.output(beside) == ["stdout F mine"]
        assert not m.log(apart).exists()


async def test_an_unprivileged_program_may_use_low_ports_and_ping() -> None:
    async with machine() as m:
        program = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 80)); print(s.getsockname()[1])"
        assert await shown(m, "python3", "-c", program, security=Security(user=1000)) == ["80"]


@BOTH
async def test_privileged_means_devices_and_kernel_settings(binary: str) -> None:
    async with machine(binary) as m:
        program = (
            "mount -t tmpfs none /mnt 2>/dev/null && echo mounted; test -w /proc/sys/kernel/hostname && echo writable"
        )
        assert await shown(m, "sh", "-c", program, security=Security(privileged=True)) == ["mounted", "writable"]
        assert await shown(m, "sh", "-c", program + "; echo none") == ["none"]


@BOTH
async def test_no_new_privileges_is_kept(binary: str) -> None:
    async with machine(binary) as m:
        asked = Security(no_new_privileges=True)
        assert await shown(m, "grep", "NoNewPrivs", "/proc/self/status", security=asked) == ["NoNewPrivs:\t1"]


@BOTH
async def test_the_number_of_processes_is_limited(binary: str) -> None:
    async with machine(binary) as m:
        program = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done 2>&1; echo done"
        container = await m.run(await m.sandbox(), "sh", "-c", program, resources=Resources(pids_limit=4))
        ended = await m.ended(container)
        assert ended.exit_code != 0
        assert any("fork" in line for line in m.output(container))


@BOTH
async def test_a_working_folder_that_is_not_there_is_made(binary: str) -> None:
    async with machine(binary) as m:
        assert await shown(m, "pwd", working_dir="/not/yet") == ["/not/yet"]


async def test_a_limit_that_cannot_be_enforced_is_said_once() -> None:
    async with machine() as m:
        said: list[str] = []
        m.runtime._say = said.append
        m.runtime._host = type(m.runtime._host)(m.runtime._host.capabilities, frozenset(), 0, False)
        for _ in range(2):
            limits = Resources(memory_limit=1 << 28, oom_score_adj=-5)
            await m.ended(await m.run(await m.sandbox(), "true", resources=limits))
        assert len(said) == 2


async def test_fifty_containers_start_at_once() -> None:
    async with machine() as m:

        async def one() -> str:
            return await m.run(await m.sandbox(), "sleep", "1000")

        containers = await asyncio.gather(*(one() for _ in range(50)))
        assert len(set(containers)) == 50
        _, found = await m.runtime.list()
        assert {c.state for c in found} == {"running"}
        assert all(os.path.exists(f"/proc/{c.pid}") for c in found)


async def test_what_a_container_writes_is_measured() -> None:
    async with machine() as m:
        sandbox = await m.sandbox()
        write = "head -c 300000 /dev/zero > /tmp/one; head -c 300000 /dev/zero > /usr/two"
        container = await m.run(sandbox, "sh", "-c", write)
        await m.ended(container)
        assert 600_000 <= await m.runtime.written(container) < 700_000
