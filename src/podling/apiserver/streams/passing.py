"""Bytes both ways between an upgraded client and whoever answers it, until one of them ends."""

from __future__ import annotations

from podling.apiserver.message import Connection
from podling.apiserver.streams.exchange import Exchange
from podling.apiserver.streams.session import until_either_ends


async def pass_through(connection: Connection, exchange: Exchange) -> None:
    """Closes the exchange at the end; the connection is its owner's."""

    async def back() -> None:
        while data := await exchange.read():
            await connection.write(data)

    async def forth() -> None:
        while data := await connection.read():
            await exchange.write(data)
        exchange.end()

    try:
        await until_either_ends(back(), forth())
    finally:
        exchange.close()
