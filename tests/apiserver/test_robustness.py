"""Clients that do not read, do not speak, or are gone: they cost themselves, and nobody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from tests.apiserver.serving import DEFAULT, Api, Json, serving


async def write_much(api: Api, count: int) -> None:
    """So many changes of 50 KB each."""
    for number in range(count):
        answer = await api.patch(f"{DEFAULT}/configmaps/large", {"data": {"key": f"{number}" + "x" * 50_000}})
        assert answer.status_code == 200


async def following_all(events: AsyncIterator[Json], count: int) -> list[Json]:
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


async def test_a_watcher_that_does_not_read_is_cut_off_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podling.apiserver.endpoints.watch.PATIENCE", 0.3)
    async with serving() as api:
        await api.config_map("large")
        reader, writer = await api.raw()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"GET {DEFAULT}/configmaps?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        async with api.watching(f"{DEFAULT}/configmaps") as events:
            following = asyncio.ensure_future(following_all(events, 201))  # the initial one, too
            await write_much(api, 200)
            seen = await following
        assert seen[-1]["object"]["data"]["key"].startswith("199")
        async with asyncio.timeout(10):
            while api.server.metrics.watches:
                await asyncio.sleep(0.01)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        rest = b""
        try:
            async with asyncio.timeout(10):
                while piece := await reader.read(1 << 20):
                    rest += piece
        except ConnectionError:
            pass  # reset, for what it was not sent
        assert b'"code":410' in rest or not rest.endswith(b"0\r\n\r\n")
        assert (await api.get("/version")).status_code == 200


async def test_a_client_that_is_gone_without_a_word_is_asked_whether_it_lives() -> None:
    async with serving() as api:
        await api.get("/version")
        (connection,) = api.server._connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 60


async def test_hundreds_of_watches_of_one_client_are_served_beside_each_other() -> None:
    async with serving() as api:
        connections = [await api.raw() for _ in range(150)]
        for _, writer in connections:
            writer.write(f"GET {DEFAULT}/configmaps?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        async with asyncio.timeout(10):
            while api.server.metrics.watches < 150:
                await asyncio.sleep(0.01)
            await api.config_map("seen-by-all")
            for reader, writer in connections:
                await reader.readuntil(b"seen-by-all")
                writer.transport.abort()
            while api.server.metrics.watches:
                await asyncio.sleep(0.01)
