"""Published ports with a real keeper, which holds the listeners in the host's namespace."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from podling.env import SystemEnv
from podling.network.hostports import KeeperListeners
from podling.network.publish import Published, Publisher
from podling.network.relay import Fixed
from podling.supervise import Supervisor
from tests.runtime.machines import machine

pytestmark = pytest.mark.real

ADDRESS = "127.77.251.2"
TCP, UDP = Published(ADDRESS, 31301, "TCP"), Published(ADDRESS, 31301, "UDP")


async def test_listeners_are_made_found_again_and_closed() -> None:
    async with machine() as m:
        listeners = KeeperListeners(m.client)
        with await listeners.listen(TCP) as tcp, await listeners.listen(UDP) as udp:
            assert (tcp.getsockname(), udp.getsockname()) == ((ADDRESS, 31301), (ADDRESS, 31301))
            assert udp.type == socket.SOCK_DGRAM
        assert await listeners.listening() == {TCP, UDP}
        await listeners.unlisten(TCP)
        assert await listeners.listening() == {UDP}
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*TCP[:2])


async def test_a_port_in_use_on_the_host_is_an_error_that_says_so() -> None:
    async with machine() as m:
        with socket.create_server(TCP[:2]), pytest.raises(OSError) as failure:
            await KeeperListeners(m.client).listen(TCP)
    assert failure.value.errno == errno.EADDRINUSE


async def test_a_client_that_came_while_no_node_process_ran_is_served_by_the_next() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    target = Fixed(server.sockets[0].getsockname())
    async with machine() as m, Supervisor() as tasks:
        first = Publisher(KeeperListeners(m.client), tasks, SystemEnv())
        assert await first.reconcile({TCP: target}) == {}
        first.close()
        reader, writer = await asyncio.open_connection(*TCP[:2])
        second = Publisher(KeeperListeners(m.client), tasks, SystemEnv())
        assert await second.reconcile({TCP: target}) == {}
        assert await asyncio.wait_for(reader.read(), 5) == b"hello"
        writer.close()
        assert await second.reconcile({}) == {}
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*TCP[:2])
