"""Lifecycle hooks: what counts as done, and how a server knows who asks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.container import Container, LifecycleHandler
from podling.env import SystemEnv
from podling.kubelet.hooks import run_hook
from podling.kubelet.probes.types import Target
from podling.runtime.fake import FakeRuntime
from podling.runtime.interface import ExecResult
from tests.kubelet.test_probes import closed_port, listening, status


class Answering(FakeRuntime):
    """Commands end with one exit code."""

    simulated = False

    def __init__(self, code: int) -> None:
        super().__init__(SystemEnv())
        self._code = code

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: float) -> ExecResult:
        return ExecResult(self._code, " ".join(command).encode())


async def run(hook: dict[str, Any], code: int = 0) -> str:
    target = Target(msgspec.convert({"name": "main"}, Container), "c1", "127.0.0.1", Answering(code))
    return await run_hook(msgspec.convert(hook, LifecycleHandler), target, SystemEnv(), 2.0)


@pytest.mark.parametrize("code", [200, 404, 500])
async def test_every_answer_to_a_get_is_good(code: int) -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return status(code)

    async with listening(answer) as port:
        assert await run({"httpGet": {"path": "/hook?x=y", "port": port}}) == ""
    assert heads[0].startswith(b"GET /hook?x=y HTTP/1.1\r\n")
    assert b"User-Agent: kube-lifecycle/1.37\r\n" in heads[0]


async def test_no_answer_is_told() -> None:
    port = closed_port()
    refused = f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert await run({"httpGet": {"path": "/", "port": port}}) == refused


async def test_a_command_is_good_when_it_ends_with_zero() -> None:
    assert await run({"exec": {"command": ["farewell"]}}) == ""
    assert await run({"exec": {"command": ["farewell"]}}, code=3) == "farewell"


async def test_a_socket_is_no_hook() -> None:
    async with listening(lambda head: None) as port:
        assert (await run({"tcpSocket": {"port": port}})).startswith("invalid handler")
