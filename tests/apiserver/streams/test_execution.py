"""exec and attach: the real kubectl, over WebSocket channels and over SPDY."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

import msgspec
import pytest

from podling.wire.session import STATUS, STDERR, STDOUT
from podling.wire.websocket import CHANNEL_PROTOCOLS, Channels, Close, Message, Pong
from tests.apiserver.streams.talk import talk
from tests.apiserver.streams.world import KUBECTL, SUCCESS, exited, world

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
ways = pytest.mark.parametrize("way", [pytest.param({}, id="websocket"), pytest.param(SPDY, id="spdy")])


@ways
async def test_input_is_echoed_until_its_end(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        done = await here.kubectl("exec", "-i", "web", "--", "cat", stdin=b"hello\n" * 20_000, env=way)
        assert (done.code, done.out, done.err) == (0, "hello\n" * 20_000, "")
        assert here.upgrades == ["SPDY/3.1" if way else "websocket"]
        assert here.node.asked == [
            {
                "node": "n1",
                "verb": "exec",
                "command": ["cat"],
                "namespace": "default",
                "pod": "web",
                "container": "main",
                "stdin": True,
                "stdout": True,
                "stderr": True,
                "tty": False,
            }
        ]


@ways
async def test_both_outputs_and_the_exit_code_arrive(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        done = await here.kubectl("exec", "web", "--", "fail", "3", env=way)
        assert (done.code, done.out) == (3, "out\n")
        assert done.err == "err\ncommand terminated with exit code 3\n"


@ways
async def test_much_output_arrives_whole(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        done = await here.kubectl("exec", "web", "--", "flood", "100", env=way)
        assert (done.code, len(done.out)) == (0, 6_553_600)


@ways
async def test_a_container_the_node_does_not_know_is_an_error_with_its_reason(
    tmp_path: Path, way: dict[str, str]
) -> None:
    async with world(tmp_path) as here:
        await here.pod("web", "main", "gone")
        done = await here.kubectl("exec", "web", "-c", "gone", "--", "cat", env=way)
        assert done.code == 1
        assert 'container not found ("gone")' in done.err


@ways
async def test_a_command_the_runtime_cannot_start_is_told_as_by_upstream(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        done = await here.kubectl("exec", "-i", "web", "--", "nonesuch", stdin=b"input", env=way)
        assert (done.code, done.out) == (1, "")
        # Before it, kubectl may complain that nobody took its input.
        assert done.err.splitlines()[-1] == (
            "error: Internal error occurred: error executing command in container: "
            'exec: "nonesuch": executable file not found in $PATH'
        )


@ways
async def test_a_terminal_has_the_size_of_the_users_and_passes_keys(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            "exec",
            "-it",
            "web",
            "--",
            "terminal",
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=here.env(way),
        )
        os.close(theirs)
        os.write(ours, b"key")
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert shown(ours).endswith(b"77x33 key")
        assert here.node.asked[0]["tty"] is True
        assert here.node.asked[0]["stderr"] is False


def shown(terminal: int) -> bytes:
    """All that came to a terminal which nobody has open any more; the kernel may hand it over in pieces."""
    whole = b""
    with open(terminal, "rb", buffering=0) as pieces, contextlib.suppress(OSError):  # EIO is how its end is told
        while piece := pieces.read(1000):
            whole += piece
    return whole


@ways
async def test_attach_joins_the_containers_own_process(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web", "main", "side")
        done = await here.kubectl("attach", "-i", "web", "-c", "side", stdin=b"hello", env=way)
        assert (done.code, done.out) == (0, "hello"), done.err
        assert here.node.asked[0]["verb"] == "attach"
        assert here.node.asked[0]["container"] == "side"


@ways
async def test_a_client_that_is_killed_ends_the_session_on_the_node(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        process = await here.start("exec", "-i", "web", "--", "cat", stdin=True, env=way)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"hello\n")
        assert await process.stdout.readline() == b"hello\n"
        process.kill()
        await process.wait()
        async with asyncio.timeout(5):
            await here.node.over.wait()


EXEC = "/api/v1/namespaces/default/pods/web/exec?stdin=1&stdout=1&stderr=1"


@pytest.mark.parametrize("protocol", [*CHANNEL_PROTOCOLS, ""])
async def test_every_channel_protocol_carries_a_command(tmp_path: Path, protocol: str) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        client = await talk(here, f"{EXEC}&command=fail&command=2", protocol)
        channels = Channels.of(protocol)
        heard: list[tuple[int, bytes]] = []
        while isinstance(event := await client.hear(), Message):
            heard.append(channels.unpack(event))
        assert event == Close(1000, "")
        assert heard[:3] == [(STDOUT, b""), (STDOUT, b"out\n"), (STDERR, b"err\n")]
        status = exited(2) if channels.status else msgspec.json.decode(exited(2))["message"].encode()
        assert heard[3:] == [(STATUS, status)]


async def test_stdin_is_half_closed_by_channel_255(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        client = await talk(here, f"{EXEC}&command=cat", "v5.channel.k8s.io")
        await client.say(Message(b"\x00hello"))
        await client.say(Message(b"\xff\x00"))
        heard = [await client.hear() for _ in range(4)]
        assert heard == [Message(b"\x01"), Message(b"\x01hello"), Message(b"\x03" + SUCCESS), Close(1000, "")]


async def test_a_ping_is_answered_and_a_broken_client_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        client = await talk(here, f"{EXEC}&command=cat", "v5.channel.k8s.io")
        await client.hear()
        await client.send(client.socket.ping(b"there?"))
        assert await client.hear() == Pong(b"there?")
        await client.send(b"\x82\x00")
        broken = await client.hear()
        assert isinstance(broken, Close) and broken.code == 1002
        async with asyncio.timeout(5):
            await here.node.over.wait()


@pytest.mark.parametrize(
    ("path", "headers", "code", "message"),
    [
        ("web/exec?command=cat", "", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("web/exec?stdout=1", "", 400, "you must specify at least one command for the container"),
        ("web/exec?stdout=1&command=cat", "", 400, "Upgrade request required"),
        ("none/exec?stdout=1&command=cat", "", 404, 'pods "none" not found'),
        ("web/exec?stdout=1&command=cat&container=x", "", 400, "container x is not valid for pod web"),
        ("waiting/exec?stdout=1&command=cat", "", 400, "pod waiting does not have a host assigned"),
        (
            "two/exec?stdout=1&command=cat",
            "",
            400,
            "a container name must be specified for pod two, choose one of: [a b]",
        ),
        (
            "web/exec?stdout=1&command=cat",
            "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v9.channel.k8s.io\r\n",
            403,
            "unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], server accepts "
            "[v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]",
        ),
    ],
)
async def test_what_cannot_be_is_an_ordinary_status(
    tmp_path: Path, path: str, headers: str, code: int, message: str
) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        await here.pod("two", "a", "b")
        await here.pod("waiting", node="")
        answer = await here.http(f"GET /api/v1/namespaces/default/pods/{path} HTTP/1.1", headers)
        assert (answer.code, answer.json()["message"]) == (code, message)
