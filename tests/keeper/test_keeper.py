"""A keeper holds everything of a node: nothing is lost with its clients, nothing is left behind by it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from podling.keeper import cgroups
from podling.keeper.client import KeeperClient, KeeperGone, KeeperRefused
from podling.keeper.launch import KeeperError, clean_up, find_keeper, start_keeper, stop_keeper
from podling.runtime.interface import Resources
from podling.wire.session import CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT, Unframer, frame
from tests.runtime.machines import Machine, machine, real

pytestmark = real


class Talk:
    """The user's end of a session."""

    def __init__(self, session: socket.socket) -> None:
        self.session, self._unframer = session, Unframer()
        self.heard: dict[int, bytes] = {}

    async def say(self, channel: int, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.session, frame(channel, data))

    async def until(self, wanted: bytes, channel: int = STDOUT) -> None:
        async with asyncio.timeout(5):
            while wanted not in self.heard.get(channel, b""):
                assert await self._hear(), f"the session ended with {self.heard}"

    async def status(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while await self._hear():
                pass
        return json.loads(self.heard[STATUS])  # type: ignore[no-any-return]

    async def _hear(self) -> bool:
        data = await asyncio.get_running_loop().sock_recv(self.session, 65536)
        for channel, payload in self._unframer.feed(data):
            self.heard[channel] = self.heard.get(channel, b"") + payload
        return bool(data)


async def sleeper(m: Machine, **changes: object) -> str:
    return await m.run(await m.sandbox(), "sleep", "1000", **changes)


# -- nothing is lost with a client ------------------------------------------------------------------------------


async def test_an_open_terminal_outlives_the_client_that_opened_it() -> None:
    async with machine() as m:
        container = await sleeper(m)
        talk = Talk(await m.runtime.exec(container, ("sh",), tty=True, stdin=True))
        await talk.say(STDIN, b"x=still; echo re''ady\n")
        await talk.until(b"ready")
        m.reborn()
        await talk.say(STDIN, b"echo $x-here\n")
        await talk.until(b"still-here")
        await talk.say(STDIN, b"exit 5\n")
        assert (await talk.status())["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


async def test_an_exit_code_that_no_client_saw_is_known_to_the_next() -> None:
    async with machine() as m:
        container = await m.run(await m.sandbox(labels={"a": "b"}), "sh", "-c", "echo out; sleep 0.2; exit 9")
        m.client.close()
        await asyncio.to_thread(_until_gone, (await _pid_of(m, container)))
        (sandbox,), (found,) = await m.reborn().list()
        assert (found.state, found.exit_code) == ("exited", 9)
        assert m.output(container) == ["stdout F out"]
        assert (sandbox.ready, sandbox.labels, sandbox.ip) == (True, {"a": "b"}, "10.244.0.2")


async def _pid_of(m: Machine, container: str) -> int:
    client = KeeperClient(m.keeper.socket)
    pid = (await client.call("container", id=container))["host_pid"]
    client.close()
    return int(pid)


def _until_gone(pid: int) -> None:
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.01)


async def test_waiting_requests_fail_when_the_keeper_ends_and_a_new_one_is_found() -> None:
    async with machine() as m:
        container = await sleeper(m)
        waiting = asyncio.ensure_future(m.client.call("wait_container", id=container, seconds=60))
        await m.client.call("inventory")
        m.keeper.kill()
        with pytest.raises(KeeperGone):
            await waiting
        assert m.keeper.wait(5)
        m.keeper = start_keeper(m.state, m.cluster, "n1")
        assert (await m.client.hello())["pid"] == m.keeper.pid


# -- nothing is left behind -------------------------------------------------------------------------------------


async def test_killing_the_keeper_ends_every_container_and_leaves_no_mount() -> None:
    mounts = Path("/proc/self/mounts").read_text()
    async with machine() as m:
        containers = [await sleeper(m) for _ in range(3)]
        pids = [(await m.runtime.container(c)).pid for c in containers]  # type: ignore[union-attr]
        m.keeper.kill()
        m.keeper.wait(5)
        assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        assert clean_up(m.cluster, "n1")
        assert not [f for f in cgroups.discover().folders(f"/podling/{m.cluster}") if os.path.exists(f)]
        assert sorted(os.listdir(m.state / "run")) == []
    assert Path("/proc/self/mounts").read_text() == mounts


async def test_cleaning_up_by_names_alone_ends_a_running_node() -> None:
    async with machine() as m:
        container = await sleeper(m)
        pid = (await m.runtime.container(container)).pid  # type: ignore[union-attr]
        assert clean_up(m.cluster, "n1")
        assert not os.path.exists(f"/proc/{pid}")
        assert find_keeper(m.state) is None


async def test_removing_a_sandbox_leaves_nothing_of_it() -> None:
    async with machine() as m:
        sandbox = await m.sandbox(cgroup="besteffort/podx")
        await m.run(sandbox, "sleep", "1000")
        await m.runtime.remove_sandbox(sandbox.id)
        assert await m.runtime.list() == ((), ())
        assert not list((m.state / "bundles").iterdir())
        group = f"/podling/{m.cluster}/n1/besteffort/podx"
        assert not [f for f in cgroups.discover().folders(group) if os.path.exists(f)]
        mounts = Path(f"/proc/{m.keeper.pid}/mounts").read_text()
        assert str(m.state / "bundles") not in mounts
        assert f"/ns/{sandbox.id}" not in mounts


async def test_a_stopped_node_gives_its_containers_their_signal() -> None:
    async with machine() as m:
        program = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"
        container = await m.run(await m.sandbox(), "sh", "-c", program)
        while "stdout F up" not in (m.output(container) if m.log(container).exists() else []):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(stop_keeper, m.state, 5.0)
        assert m.output(container) == ["stdout F up", "stdout F bye"]
        assert find_keeper(m.state) is None
        m.keeper = start_keeper(m.state, m.cluster, "n1")
        _, (found,) = await m.reborn().list()
        assert (found.state, found.exit_code) == ("exited", 3)


async def test_a_new_keeper_says_what_its_predecessor_took_along() -> None:
    async with machine() as m:
        container = await sleeper(m)
        m.keeper.kill()
        m.keeper.wait(5)
        m.keeper = start_keeper(m.state, m.cluster, "n1")
        (sandbox,), (found,) = await m.reborn().list()
        assert (sandbox.ready, found.id, found.state, found.exit_code) == (False, container, "exited", 255)
        await m.runtime.remove_sandbox(sandbox.id)
        assert await m.runtime.list() == ((), ())


# -- the process itself -----------------------------------------------------------------------------------------


async def test_a_keeper_is_small_and_pid_1_of_its_own_namespaces() -> None:
    async with machine() as m:
        status = Path(f"/proc/{m.keeper.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 15 * 1024  # type: ignore[index]
        assert re.search(r"NSpid:\s+\d+\s+1\n", status)
        for kind in ("pid", "mnt", "net", "ipc", "uts"):
            assert os.readlink(f"/proc/{m.keeper.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
        assert (m.keeper.socket.stat().st_mode & 0o777) == 0o600


async def test_a_client_can_join_the_node() -> None:
    async with machine() as m:
        _, fds = await m.client.call_fds("namespaces_of_node")
        for fd, kind in zip(fds, ("net", "mnt"), strict=True):
            inode = re.search(r"\d+", os.readlink(f"/proc/{m.keeper.pid}/ns/{kind}"))
            assert inode is not None
            assert os.fstat(fd).st_ino == int(inode[0])
            os.close(fd)


async def test_a_second_keeper_for_the_same_folder_is_refused() -> None:
    async with machine() as m:
        with pytest.raises(KeeperError, match="runs already"):
            start_keeper(m.state, m.cluster, "n1")
        assert find_keeper(m.state) == m.keeper


async def test_an_unknown_verb_and_a_missing_argument_are_refused_in_words() -> None:
    async with machine() as m:
        with pytest.raises(KeeperRefused, match="knows no 'dance'"):
            await m.client.call("dance")
        with pytest.raises(KeeperRefused, match="lacks 'id'"):
            await m.client.call("reopen_log")


# -- logs -------------------------------------------------------------------------------------------------------


async def test_output_is_logged_by_stream_and_a_rotated_log_is_reopened() -> None:
    async with machine() as m:
        program = "echo one; echo oops >&2; read x; echo two; read x"
        container = await m.run(await m.sandbox(), "sh", "-c", program, stdin=True)
        talk = Talk(await m.runtime.attach(container, stdin=True))
        while not m.log(container).exists() or len(m.output(container)) < 2:
            await asyncio.sleep(0.01)
        assert sorted(m.output(container)) == ["stderr F oops", "stdout F one"]
        m.log(container).rename(m.state / "rotated.log")
        await m.runtime.reopen_log(container)
        await talk.say(STDIN, b"go\n")
        await talk.until(b"two\n")
        assert m.output(container) == ["stdout F two"]


async def test_everything_a_dying_container_printed_is_in_the_log() -> None:
    async with machine() as m:
        container = await m.run(await m.sandbox(), "sh", "-c", "seq 20000; printf end; kill -9 $$")
        assert (await m.ended(container)).state == "exited"
        output = m.output(container)
        assert (len(output), output[-1]) == (20001, "stdout P end")


# -- exec and attach --------------------------------------------------------------------------------------------


async def test_exec_keeps_the_streams_apart_and_tells_the_exit_code() -> None:
    async with machine() as m:
        container = await sleeper(m)
        talk = Talk(await m.runtime.exec(container, ("sh", "-c", "cat; echo bad >&2; exit 7"), stdin=True))
        await talk.say(STDIN, b"typed")
        await talk.say(CLOSE, bytes([STDIN]))
        status = await talk.status()
        assert (talk.heard[STDOUT], talk.heard[STDERR]) == (b"typed", b"bad\n")
        assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_a_command_that_ends_well_says_success() -> None:
    async with machine() as m:
        talk = Talk(await m.runtime.exec(await sleeper(m), ("true",)))
        assert (await talk.status())["status"] == "Success"


async def test_megabytes_go_through_a_slow_reader_whole() -> None:
    async with machine() as m:
        container = await sleeper(m)
        talk = Talk(await m.runtime.exec(container, ("cat",), stdin=True))
        sent = os.urandom(1 << 20) * 8

        async def write() -> None:
            for start in range(0, len(sent), 1 << 16):
                await talk.say(STDIN, sent[start : start + (1 << 16)])
            await talk.say(CLOSE, bytes([STDIN]))

        writing = asyncio.ensure_future(write())
        assert (await talk.status())["status"] == "Success"
        await writing
        assert talk.heard[STDOUT] == sent


async def test_a_terminal_takes_its_size() -> None:
    async with machine() as m:
        talk = Talk(await m.runtime.exec(await sleeper(m), ("sh",), tty=True, stdin=True))
        await talk.say(RESIZE, b'{"Width":101,"Height":33}')
        await talk.say(STDIN, b"stty size; exit\n")
        await talk.until(b"33 101")
        assert (await talk.status())["status"] == "Success"


async def test_a_user_who_leaves_a_terminal_hangs_it_up() -> None:
    async with machine() as m:
        container = await sleeper(m)
        talk = Talk(await m.runtime.exec(container, ("sh", "-c", "echo go; exec sleep 999"), tty=True))
        await talk.until(b"go")
        talk.session.close()
        while (await m.runtime.exec_sync(container, ("pgrep", "-x", "-f", "sleep 999"), 5)).exit_code == 0:
            await asyncio.sleep(0.01)


async def test_attach_reaches_a_terminal_of_the_container_itself() -> None:
    async with machine() as m:
        container = await m.run(await m.sandbox(), "sh", tty=True, stdin=True)
        talk = Talk(await m.runtime.attach(container, stdin=True))
        await talk.say(STDIN, b"tty; echo $TERM; exit 4\n")
        await talk.until(b"/dev/pts/0")
        await talk.until(b"xterm")
        assert (await talk.status())["status"] == "Success"
        assert (await m.ended(container)).exit_code == 4


async def test_stdin_once_ends_with_its_first_user() -> None:
    async with machine() as m:
        container = await m.run(await m.sandbox(), "cat", stdin=True, stdin_once=True)
        talk = Talk(await m.runtime.attach(container, stdin=True))
        await talk.say(STDIN, b"all\n")
        await talk.say(CLOSE, bytes([STDIN]))
        assert (await m.ended(container)).exit_code == 0
        assert m.output(container) == ["stdout F all"]


# -- limits and the network -------------------------------------------------------------------------------------


async def test_a_container_over_its_memory_is_killed_and_says_so() -> None:
    async with machine() as m:
        eat = "x = bytearray(200 << 20)"
        limits = Resources(memory_limit=48 << 20)
        container = await m.run(await m.sandbox(), "python3", "-c", eat, resources=limits)
        ended = await m.ended(container)
        assert (ended.exit_code, ended.signal, ended.oom_killed) == (137, 9, True)


async def test_usage_is_counted() -> None:
    async with machine() as m:
        container = await m.run(
            await m.sandbox(), "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 9"
        )
        async with asyncio.timeout(10):
            while not (await m.runtime.stats())[0].cpu_seconds > 0.05:
                await asyncio.sleep(0.02)
        assert (await m.runtime.stats())[0].id == container
        assert (await m.runtime.stats())[0].memory_bytes > 50_000
        whole = (await m.runtime.stats())[-1]
        assert (whole.id, whole.cpu_seconds > 0.05) == ("", True)


async def test_published_listeners_are_on_the_host_and_outlive_the_client() -> None:
    async with machine() as m:
        place = {"address": "127.77.250.2", "port": 31234, "protocol": "tcp"}
        _, (fd,) = await m.client.call_fds("listen", **place)
        os.close(fd)
        m.reborn()
        _, (fd,) = await m.client.call_fds("listen", **place)
        assert await m.client.call("listening") == ["tcp/127.77.250.2:31234"]
        with socket.create_connection(("127.77.250.2", 31234), 2) as ours, socket.socket(fileno=fd) as listener:
            theirs, _ = listener.accept()
            theirs.sendall(b"hello")
            assert ours.recv(10) == b"hello"
            theirs.close()
        with pytest.raises(KeeperRefused) as refused:
            await m.client.call("listen", **place | {"address": "0.0.0.0"})
        assert refused.value.errno == 98
        await m.client.call("unlisten", **place)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.77.250.2", 31234), 2)


async def test_a_connection_into_a_sandbox_reaches_its_loopback_only() -> None:
    async with machine() as m:
        first, second = await m.sandbox(), await m.sandbox()
        serve = "import socket; s = socket.create_server(('', 80)); print(1, flush=1); s.accept()[0].send(b'hi')"
        container = await m.run(first, "python3", "-c", serve)
        async with asyncio.timeout(5):
            while not m.log(container).exists():
                await asyncio.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            await m.runtime.connect(second.id, 80)
        connection = await m.runtime.connect(first.id, 80)
        assert await asyncio.get_running_loop().sock_recv(connection, 10) == b"hi"
        connection.close()
