"""The node's door and the Dialer that knocks: descriptors over a Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from podling.api.errors import ApiError, BadRequest, NotFound, ServiceUnavailable
from podling.network.nodesocket import NodeSocket
from podling.network.unixdialer import RefusingDialer, UnixDialer
from podling.supervise import Supervisor


async def streams(request: Mapping[str, Any]) -> socket.socket:
    """A kubelet in small: one verb gives a stream, the others fail in their ways."""
    if request["verb"] == "stats":
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(f"stats of {request['pod']}".encode())
        return theirs
    if request["verb"] == "broken":
        raise ConnectionRefusedError(111, "Connection refused")
    raise NotFound('pods "x" not found', kind="pods", name="x")


async def test_a_connection_is_made_by_the_node_and_used_by_the_server(tmp_path: Path) -> None:
    path = str(tmp_path / "node.sock")
    async with Supervisor() as tasks:
        node = NodeSocket(path, streams)
        node.listen()
        tasks.start("node", node.run())
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with await UnixDialer({"n1": path}).connect("n1", "127.0.0.1", port) as connection:
                accepted, _ = server.accept()
                with accepted:
                    await asyncio.get_running_loop().sock_sendall(connection, b"hello")
                    assert accepted.recv(10) == b"hello"
                assert connection.getblocking() is False
                assert connection.get_inheritable() is False
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == []


async def test_other_verbs_go_to_the_handler_and_its_socket_comes_back(tmp_path: Path) -> None:
    path = str(tmp_path / "node.sock")
    async with Supervisor() as tasks:
        tasks.start("node", (node := NodeSocket(path, streams)).run())
        node.listen()
        with await UnixDialer({"n1": path}).stream("n1", {"verb": "stats", "pod": "web"}) as stream:
            assert await asyncio.get_running_loop().sock_recv(stream, 100) == b"stats of web"


async def test_a_path_longer_than_a_sockets_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = str(folder / "node.sock")
    async with Supervisor() as tasks:
        tasks.start("node", (node := NodeSocket(path, streams)).run())
        node.listen()
        (await UnixDialer({"n1": path}).stream("n1", {"verb": "stats", "pod": "x"})).close()


async def refused(dialer: UnixDialer | RefusingDialer, request: Mapping[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as failure:
        await dialer.stream("n1", request)
    return failure.value


async def test_failures_come_back_as_what_they_were(tmp_path: Path) -> None:
    path = str(tmp_path / "node.sock")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Supervisor() as tasks:
        tasks.start("node", (node := NodeSocket(path, streams)).run())
        node.listen()
        dialer = UnixDialer({"n1": path})
        missing = await refused(dialer, {"verb": "exec"})
        assert isinstance(missing, NotFound)
        assert missing.details() == {"kind": "pods", "name": "x"}
        closed = await refused(dialer, {"verb": "connect", "address": "127.0.0.1", "port": port})
        assert isinstance(closed, ServiceUnavailable)
        assert closed.message == f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        assert (await refused(dialer, {"verb": "broken"})).message == "Connection refused"
        assert isinstance(await refused(dialer, {"verb": "connect"}), BadRequest)


@pytest.mark.parametrize("line", [b"not JSON\n", b"[]\n", b"{"], ids=["not JSON", "no object", "no end"])
async def test_nonsense_is_refused_and_the_door_stays_open(tmp_path: Path, line: bytes) -> None:
    path = str(tmp_path / "node.sock")
    async with Supervisor() as tasks:
        tasks.start("node", (node := NodeSocket(path, streams)).run())
        node.listen()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        writer.write_eof()
        assert b'"reason":"BadRequest"' in await reader.read()
        writer.close()
        (await UnixDialer({"n1": path}).stream("n1", {"verb": "stats", "pod": "x"})).close()


async def test_a_node_that_is_gone_or_unknown_or_fake_says_so(tmp_path: Path) -> None:
    gone = await refused(UnixDialer({"n1": str(tmp_path / "none.sock")}), {"verb": "stats"})
    assert gone.message == 'node "n1" does not answer: No such file or directory'
    unknown = await refused(UnixDialer({}), {"verb": "stats"})
    assert unknown.message == 'node "n1" has no socket on this machine'
    fake = await refused(RefusingDialer("node n1 is simulated: nothing runs on it"), {"verb": "stats"})
    assert fake.message == "node n1 is simulated: nothing runs on it"
