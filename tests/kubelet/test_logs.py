"""Logs as kubectl gets them, from real files through real sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from podling.api.errors import BadRequest
from podling.env import SystemEnv, parse_rfc3339
from podling.kubelet.logoptions import LogOptions, options_of
from podling.kubelet.logs import chosen_container, rotate, send_log
from podling.kubelet.podstate import AnyContainer
from podling.kubelet.termination import message
from podling.runtime.fake import FakeRuntime
from podling.supervise import Supervisor
from tests.kubelet.pods import pod

LINES = [
    "2026-11-23T12:00:01.000000001Z stdout F one",
    "2026-11-23T12:00:02.000000001Z stderr F two",
    "2026-11-23T12:00:03.000000001Z stdout P thr",
    "2026-11-23T12:00:03.000000002Z stdout F ee",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


class Reader:
    """The client's end of a log stream."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.setblocking(False)
        theirs.setblocking(False)
        self.theirs = theirs

    async def until(self, end: bytes) -> bytes:
        data = b""
        async with asyncio.timeout(5):
            while not data.endswith(end):
                data += await asyncio.get_running_loop().sock_recv(self.ours, 65536)
        return data

    async def rest(self) -> bytes:
        data = b""
        async with asyncio.timeout(5):
            while piece := await asyncio.get_running_loop().sock_recv(self.ours, 65536):
                data += piece
        self.ours.close()
        return data


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def shown(path: Path, **options: Any) -> str:
    reader = Reader()
    async with Supervisor() as tasks:
        tasks.start("log", send_log(str(path), LogOptions(**options), reader.theirs, never))
        return (await reader.rest()).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "one\ntwo\nthree\n"),
        ({"tail": 0}, ""),
        ({"tail": 3}, "two\nthree\n"),
        ({"tail": 99}, "one\ntwo\nthree\n"),
        ({"limit": 5}, "one\nt"),
        ({"since": "2026-11-23T12:00:02.000000000Z"}, "two\nthree\n"),
        ({"stream": "Stderr"}, "two\n"),
        ({"tail": 1, "timestamps": True}, "2026-11-23T12:00:03.000000002Z ee\n"),
    ],
)
async def test_options_choose_what_is_shown(log: Path, options: dict[str, Any], expected: str) -> None:
    assert await shown(log, **options) == expected


async def test_the_tail_of_a_long_log_is_found_from_its_end(log: Path) -> None:
    with log.open("a") as file:
        file.writelines(f"2026-11-23T12:01:00.0Z stdout F line {number}\n" for number in range(20000))
    assert await shown(log, tail=5000) == "".join(f"line {number}\n" for number in range(15000, 20000))


async def test_a_container_that_never_wrote_has_an_empty_log(tmp_path: Path) -> None:
    assert await shown(tmp_path / "none.log") == ""


async def test_following_shows_new_lines_as_they_come_and_ends_with_the_container(log: Path) -> None:
    reader, ended = Reader(), asyncio.Event()
    async with Supervisor() as tasks:
        options = LogOptions(follow=True, tail=1)
        tasks.start("log", send_log(str(log), options, reader.theirs, lambda: _wait(ended)))
        await reader.until(b"ee\n")
        for number in range(3):
            with log.open("a") as file:
                file.write(f"2026-11-23T12:02:00.0Z stdout F new {number}\n")
            assert await reader.until(b"\n") == f"new {number}\n".encode()
        with log.open("a") as file:
            file.write("2026-11-23T12:02:00.0Z stdout F last\n")
        ended.set()
        assert await reader.rest() == b"last\n"


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_following_goes_on_in_the_new_file_after_a_rotation(log: Path) -> None:
    reader, ended = Reader(), asyncio.Event()
    async with Supervisor() as tasks:
        options = LogOptions(follow=True, tail=1)
        tasks.start("log", send_log(str(log), options, reader.theirs, lambda: _wait(ended)))
        await reader.until(b"ee\n")
        with log.open("a") as file:
            file.write("2026-11-23T12:02:00.0Z stdout F before\n")
        assert await reader.until(b"\n") == b"before\n"
        log.rename(log.with_suffix(".log.1"))
        log.write_text("2026-11-23T12:02:00.0Z stdout F after\n")
        assert await reader.until(b"\n") == b"after\n"
        ended.set()
        assert await reader.rest() == b""


async def test_following_ends_when_the_reader_goes(log: Path) -> None:
    reader = Reader()
    async with Supervisor() as tasks:
        task = tasks.start("log", send_log(str(log), LogOptions(follow=True), reader.theirs, never))
        await reader.until(b"three\n")
        reader.ours.close()
        async with asyncio.timeout(5):
            await task


async def test_a_long_log_is_moved_aside_and_only_the_newest_files_are_kept(log: Path) -> None:
    runtime = FakeRuntime(SystemEnv())
    assert not await rotate(runtime, "c", str(log), "t0", limit=10_000, files=3)
    for stamp in ("t1", "t2", "t3"):
        log.write_text("x" * 100)
        assert await rotate(runtime, "c", str(log), stamp, limit=100, files=3)
    assert sorted(path.name for path in log.parent.iterdir()) == ["0.log.t2", "0.log.t3"]


def test_options_are_read_from_the_request() -> None:
    now = parse_rfc3339("2026-11-23T12:00:10Z")
    options = options_of({"sinceSeconds": 5, "tailLines": 3, "previous": True, "limitBytes": 7}, now)
    assert options == LogOptions(previous=True, since="2026-11-23T12:00:05.000000000Z", tail=3, limit=7)
    assert options_of({"sinceTime": "2026-11-23T13:00:00+01:00"}, now).since == "2026-11-23T12:00:00.000000000Z"


def statuses(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "main", "state": {}, "lastState": {}, **state}]}


CRASHED = {
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"containerID": "crun://b"}},
}


@pytest.mark.parametrize(
    ("status", "previous", "id"),
    [
        (statuses(state={"running": {}}, containerID="crun://a"), False, "a"),
        (statuses(state={"terminated": {}}, containerID="crun://a"), False, "a"),
        (statuses(**CRASHED), False, "b"),
        (statuses(state={"running": {}}, containerID="crun://a", lastState=CRASHED["lastState"]), True, "b"),
    ],
)
def test_the_log_meant_is_that_of_the_present_or_the_previous_run(
    status: dict[str, Any], previous: bool, id: str
) -> None:
    assert chosen_container(status, "web", "main", previous) == id


@pytest.mark.parametrize(
    ("status", "previous", "error"),
    [
        (statuses(state={"running": {}}), True, 'previous terminated container "main" in pod "web" not found'),
        (statuses(state={"waiting": {"reason": "ContainerCreating"}}), False,
         'container "main" in pod "web" is waiting to start: ContainerCreating'),
        (statuses(state={"waiting": {"reason": "ImagePullBackOff"}}), False,
         'container "main" in pod "web" is waiting to start: trying and failing to pull image'),
        ({}, False, 'container "main" in pod "web" is not available'),
    ],
)  # fmt: skip
def test_a_log_that_is_not_there_says_why(status: dict[str, Any], previous: bool, error: str) -> None:
    with pytest.raises(BadRequest) as raised:
        chosen_container(status, "web", "main", previous)
    assert raised.value.message == error


def container(policy: str) -> AnyContainer:
    declared = {"name": "main", "image": "app", "terminationMessagePolicy": policy}
    return pod({"containers": [declared]}).spec.containers[0]


def test_last_words_are_the_file_or_the_end_of_the_log(tmp_path: Path, log: Path) -> None:
    file = tmp_path / "last"
    file.write_text("")
    assert message(container("File"), file, str(log), 1) == ""
    assert message(container("FallbackToLogsOnError"), file, str(log), 1) == "one\ntwo\nthree\n"
    assert message(container("FallbackToLogsOnError"), file, str(log), 0) == ""
    file.write_text("x" * 5000)
    assert message(container("FallbackToLogsOnError"), file, str(log), 1) == "x" * 4096
