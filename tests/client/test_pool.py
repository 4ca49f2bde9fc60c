"""Connections are kept and shared: a handshake costs more than most requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podling.client.http1 import AT_ONCE, Connection, Pool
from podling.client.resources import CONFIGMAPS
from podling.client.rest import Rest
from tests.client.servers import config_map, secured_server


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Every connection that is made."""
    made: list[Connection] = []
    connect = Pool._connect

    async def counted(pool: Pool) -> Connection:
        made.append(await connect(pool))
        return made[-1]

    monkeypatch.setattr(Pool, "_connect", counted)
    return made


async def test_requests_one_after_another_share_a_connection(tmp_path: Path, connections: list[Connection]) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        for number in range(5):
            await rest.create(CONFIGMAPS, "default", config_map(f"x{number}"))
    assert len(connections) == 1


async def test_many_requests_at_once_share_a_few_connections(tmp_path: Path, connections: list[Connection]) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        await asyncio.gather(*(rest.create(CONFIGMAPS, "default", config_map(f"x{n}")) for n in range(50)))
    assert len(connections) <= AT_ONCE
