"""The TCP relay on loopback, with real sockets: half-close, back-pressure, targets that go away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import pytest
import uvloop

from podling.network.relay import Fixed, Target, TcpRelay
from podling.supervise import Supervisor

Run = Callable[[Awaitable[None]], None]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario on one of the two loops that Podling may run on."""

    def runner(scenario: Awaitable[None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as loop:
            loop.run(asyncio.wait_for(scenario, 10))

    return runner


class InTurn:
    """A balancer that goes through its targets in order."""

    def __init__(self, *targets: Target) -> None:
        self.targets = targets

    def pick(self, client: str, tried: Collection[Target]) -> Target | None:
        return next((target for target in self.targets if target not in tried), None)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def server(handler: Serve) -> Target:
    started = await asyncio.start_server(handler, "127.0.0.1", 0)
    address: tuple[str, int] = started.sockets[0].getsockname()
    servers.append(started)
    return address


servers: list[asyncio.Server] = []
"""Kept, or the garbage collector would close them."""


def bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def closed_port() -> Target:
    with bound() as sock:
        address: tuple[str, int] = sock.getsockname()
        return address


async def relay_to(balancer: InTurn | Fixed, tasks: Supervisor) -> tuple[TcpRelay, tuple[str, int]]:
    relay, listener = TcpRelay(balancer, tasks), bound()
    address: tuple[str, int] = listener.getsockname()
    await relay.serve(listener)
    return relay, address


async def said(address: tuple[str, int], data: bytes, *, end: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    if end:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


def test_bytes_go_both_ways_and_the_end_of_one_way_leaves_the_other_open(run: Run) -> None:
    async def scenario() -> None:
        async def answers_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            data = await reader.read()
            writer.write(b"heard " + data)
            writer.close()

        async with Supervisor() as tasks:
            relay, address = await relay_to(Fixed(await server(answers_after_the_end)), tasks)
            assert await said(address, b"hello") == b"heard hello"
            relay.cut()

    run(scenario())


def test_the_server_may_end_first_and_still_hear_the_client(run: Run) -> None:
    async def scenario() -> None:
        heard = asyncio.get_running_loop().create_future()

        async def ends_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"all I have")
            writer.write_eof()
            heard.set_result(await reader.read())
            writer.close()

        async with Supervisor() as tasks:
            _, address = await relay_to(Fixed(await server(ends_first)), tasks)
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"all I have"
            writer.write(b"late")
            writer.write_eof()
            assert await heard == b"late"
            writer.close()

    run(scenario())


def test_a_fast_sender_waits_for_a_slow_reader(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            total = 0
            while data := await reader.read(1 << 20):
                total += len(data)
            writer.write(str(total).encode())
            writer.close()

        async with Supervisor() as tasks:
            _, address = await relay_to(Fixed(await server(slow)), tasks)
            reader, writer = await asyncio.open_connection(*address)
            sent, piece = 0, bytes(1 << 20)
            with suppress(TimeoutError):
                while sent < 200 << 20:
                    writer.write(piece)
                    sent += len(piece)
                    await asyncio.wait_for(writer.drain(), 0.5)
            assert sent < 100 << 20, "the relay took everything into its own memory"
            go.set()
            writer.write_eof()
            assert await reader.read() == str(sent).encode()
            writer.close()

    run(scenario())


def test_a_refused_connection_goes_to_the_next_target(run: Run) -> None:
    async def scenario() -> None:
        async with Supervisor() as tasks:
            _, address = await relay_to(InTurn(closed_port(), closed_port(), await server(echo)), tasks)
            assert await said(address, b"POST is fine, nobody has heard it yet") != b""

    run(scenario())


def test_a_target_that_closes_without_an_answer_is_replaced_and_the_next_hears_the_whole_request(run: Run) -> None:
    async def scenario() -> None:
        async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.transport.abort()

        async with Supervisor() as tasks:
            _, address = await relay_to(InTurn(await server(dies), await server(resets), await server(echo)), tasks)
            assert await said(address, b"GET / HTTP/1.1\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"

    run(scenario())


def test_a_post_that_was_heard_is_not_said_twice(run: Run) -> None:
    async def scenario() -> None:
        heard: list[bytes] = []

        async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readline())
            writer.close()

        async with Supervisor() as tasks:
            _, address = await relay_to(InTurn(await server(dies), await server(dies)), tasks)
            assert await said(address, b"POST / HTTP/1.1\r\n", end=False) == b""
        assert heard == [b"POST / HTTP/1.1\r\n"]

    run(scenario())


def test_a_target_that_began_to_answer_is_not_replaced(run: Run) -> None:
    async def scenario() -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 200")
            writer.close()

        async with Supervisor() as tasks:
            _, address = await relay_to(InTurn(await server(half), await server(echo)), tasks)
            assert await said(address, b"GET / HTTP/1.1\r\n\r\n", end=False) == b"HTTP/1.1 200"

    run(scenario())


def test_without_any_target_the_client_is_reset(run: Run) -> None:
    async def scenario() -> None:
        async with Supervisor() as tasks:
            relay, address = await relay_to(InTurn(closed_port()), tasks)
            with pytest.raises(ConnectionResetError):
                await said(address, b"GET / HTTP/1.1\r\n\r\n", end=False)
            assert not relay.open

    run(scenario())


def test_closing_the_relay_refuses_new_connections_and_leaves_open_ones(run: Run) -> None:
    async def scenario() -> None:
        async with Supervisor() as tasks:
            relay, address = await relay_to(Fixed(await server(echo)), tasks)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            relay.close()
            with pytest.raises(OSError):
                await asyncio.open_connection(*address)
            writer.write(b"two")
            assert await reader.readexactly(3) == b"two"
            relay.cut()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    run(scenario())
