"""Logs: the real kubectl, following and not."""

from __future__ import annotations

import asyncio
import base64
import socket
from pathlib import Path

import pytest

from podling.wire.websocket import NORMAL, Close, Message, Pong
from tests.apiserver.streams.talk import talk
from tests.apiserver.streams.world import world

LOG = "/api/v1/namespaces/default/pods/web/log"


async def test_a_log_is_handed_on_with_its_options(tmp_path: Path) -> None:
    async def lines(sock: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(sock, b"one\ntwo\n" * 50_000)
        sock.close()

    async with world(tmp_path) as here:
        here.node.log = lines
        await here.pod("web", "main", "side")
        words = ("web", "-c", "side", "--tail=5", "--since=10s", "--timestamps", "--previous", "--limit-bytes=99")
        done = await here.kubectl("logs", *words)
        assert (done.code, done.out) == (0, "one\ntwo\n" * 50_000), done.err
        assert here.node.asked == [
            {
                "node": "n1",
                "verb": "logs",
                "namespace": "default",
                "pod": "web",
                "container": "side",
                "previous": True,
                "timestamps": True,
                "sinceSeconds": 10,
                "tailLines": 5,
                "limitBytes": 99,
            }
        ]


async def test_followed_lines_arrive_as_they_are_said_and_leaving_ends_the_stream(tmp_path: Path) -> None:
    gone = asyncio.Event()
    say: asyncio.Queue[bytes] = asyncio.Queue()

    async def speak(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while (line := await say.get()) != b"":
            await loop.sock_sendall(sock, line)
        assert await loop.sock_recv(sock, 1) == b""
        sock.close()
        gone.set()

    async with world(tmp_path) as here:
        here.node.log = speak
        await here.pod("web")
        process = await here.start("logs", "-f", "web")
        assert process.stdout is not None
        async with asyncio.timeout(20):
            for line in (b"first\n", b"second\n"):
                say.put_nowait(line)
                assert await process.stdout.readline() == line
            say.put_nowait(b"")
            process.kill()
            await process.wait()
            await gone.wait()


@pytest.mark.parametrize("protocol", ["binary.k8s.io", "base64.binary.k8s.io", ""])
async def test_a_websocket_gets_the_log_as_messages_until_its_end(tmp_path: Path, protocol: str) -> None:
    text = b"one\ntwo\n" * 20_000

    async def lines(sock: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(sock, text)
        sock.close()

    async with world(tmp_path) as here:
        here.node.log = lines
        await here.pod("web")
        client = await talk(here, f"{LOG}?timestamps=true", protocol)
        assert await client.hear() == Message(b"", text=protocol.startswith("base64"))
        heard = b""
        while isinstance(event := await client.hear(), Message):
            heard += base64.b64decode(event.data) if event.text else event.data
        assert isinstance(event, Close) and event.code == NORMAL
        assert heard == text
        assert here.node.asked[-1]["timestamps"] is True


async def test_a_websocket_that_is_closed_ends_the_stream(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def speak(sock: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(sock, b"first\n")
        assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
        sock.close()
        gone.set()

    async with world(tmp_path) as here:
        here.node.log = speak
        await here.pod("web")
        client = await talk(here, f"{LOG}?follow=true", "binary.k8s.io")
        assert [await client.hear(), await client.hear()] == [Message(b""), Message(b"first\n")]
        await client.send(client.socket.ping(b"there?"))
        assert await client.hear() == Pong(b"there?")
        await client.send(client.socket.close())
        assert await client.hear() == Close(NORMAL, "")
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_pod_on_no_node_has_an_empty_log(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pod("web", node="")
        answer = await here.http(f"GET {LOG} HTTP/1.1")
        assert (answer.code, answer.body, answer.headers["content-type"]) == (200, b"", "text/plain")


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (
            "tailLines=-1",
            422,
            'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "sinceSeconds=0",
            422,
            'PodLogOptions "web" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
        ),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            422,
            'PodLogOptions "web" is invalid: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
        ),
        ("container=x", 400, "container x is not valid for pod web"),
    ],
)
async def test_options_that_cannot_be_are_refused(tmp_path: Path, query: str, code: int, message: str) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        answer = await here.http(f"GET {LOG}?{query} HTTP/1.1")
        assert (answer.code, answer.json()["message"]) == (code, message)


async def test_a_log_is_only_read(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        answer = await here.http(f"DELETE {LOG} HTTP/1.1")
        assert (answer.code, answer.json()["reason"]) == (405, "MethodNotAllowed")
