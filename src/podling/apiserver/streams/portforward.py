"""`pods/portforward`: TCP connections to ports inside a Pod, many at a time.

A connection is a pair of SPDY streams with one `requestID`: data, and error, on which a port that refuses is
reported in upstream's words. kubectl speaks this inside a WebSocket, older clients after a plain upgrade; clients
without SPDY use WebSocket channels instead (`portforwardchannels`).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from podling.apiserver.backend import Backend
from podling.apiserver.message import Connection, Request, Upgrade
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.podports import PodPorts, Refused
from podling.apiserver.streams.portforwardchannels import PROTOCOLS, PortChannels, ports_of
from podling.apiserver.streams.spdyconnection import SpdyConnection, SpdyStream
from podling.apiserver.streams.target import pod_of, target_of
from podling.apiserver.streams.tunnel import Tunnel
from podling.apiserver.streams.upgrades import agree
from podling.supervise import Supervisor

SPDY_PROTOCOL = "portforward.k8s.io"
TUNNEL_PROTOCOL = f"SPDY/3.1+{SPDY_PROTOCOL}"


async def portforward(backend: Backend, request: Request) -> Upgrade:
    """Agree on a protocol; the ports are dialled when the client asks for connections."""
    ports = PodPorts(backend.dialer, pod_of(backend, target_of(request)))
    agreed = agree(request, (TUNNEL_PROTOCOL, *PROTOCOLS), (SPDY_PROTOCOL,))
    if agreed.protocol in PROTOCOLS:
        asked = ports_of(request)
        return Upgrade(lambda connection: PortChannels(connection, agreed.protocol, asked, ports).run(), agreed.headers)

    async def run(connection: Connection) -> None:
        if agreed.way == "spdy":
            await Forwarder(connection, ports).run()
        else:
            await Forwarder(Tunnel(connection), ports).run()

    return Upgrade(run, agreed.headers)


class _Pair(NamedTuple):
    error: SpdyStream
    data: SpdyStream


class Forwarder:
    """One client's connections; `run` returns when the client has left."""

    def __init__(self, connection: Connection, ports: PodPorts) -> None:
        self._ports = ports
        self._halves: dict[str, dict[str, SpdyStream]] = {}
        self._tasks = Supervisor()
        self._connection = SpdyConnection(connection, self._opened)

    async def run(self) -> None:
        async with self._tasks:
            await self._connection.run()

    def _opened(self, stream: SpdyStream) -> None:
        kind, request = stream.headers.get("streamtype", ""), stream.headers.get("requestid", "")
        halves = self._halves.setdefault(request, {})
        halves[kind] = stream
        if {"error", "data"} <= halves.keys():
            del self._halves[request]
            self._tasks.start(f"port-forward {request}", self._forward(_Pair(halves["error"], halves["data"])))

    async def _forward(self, pair: _Pair) -> None:
        try:
            pipe = await self._ports.connect(pair.data.headers.get("port", ""))
        except Refused as refused:
            await _ended(pair, str(refused))
            return
        try:
            await self._relay(pair, pipe)
        finally:
            pipe.close()
        await _ended(pair)

    async def _relay(self, pair: _Pair, pipe: Pipe) -> None:
        """Until the port has closed its side, or the client has thrown the connection away."""
        async with Supervisor() as tasks:
            out = tasks.start("from the port", _from_port(pair.data, pipe))
            back = tasks.start("to the port", _to_port(pair.data, pipe))
            await asyncio.wait((out, back), return_when=asyncio.FIRST_COMPLETED)
            if not pair.data.reset_by_client:
                await asyncio.wait((out,))


async def _from_port(stream: SpdyStream, pipe: Pipe) -> None:
    try:
        while data := await pipe.read():
            await stream.write(data)
        await stream.end()
    except ConnectionError:
        return  # the client has left this connection


async def _to_port(stream: SpdyStream, pipe: Pipe) -> None:
    try:
        while data := await stream.read():
            await pipe.write(data)
    except ConnectionError:
        pass  # the port has closed; what it sent still goes to the client
    if not stream.reset_by_client:
        pipe.end()


async def _ended(pair: _Pair, words: str = "") -> None:
    try:
        await pair.data.end()
        await pair.error.end(words.encode())
    except ConnectionError:
        return  # the client has left
