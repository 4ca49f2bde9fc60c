"""exec and attach: the real kubectl, over WebSocket channels and over SPDY."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apiserver.streams.world import world

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
ways = pytest.mark.parametrize("way", [pytest.param({}, id="websocket"), pytest.param(SPDY, id="spdy")])


@ways
async def test_input_is_echoed_until_its_end(tmp_path: Path, way: dict[str, str]) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        done = await here.kubectl("exec", "-i", "web", "--", "cat", stdin=b"hello\n" * 20_000, env=way)
        assert (done.code, done.out, done.err) == (0, "hello\n" * 20_000, "")
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
