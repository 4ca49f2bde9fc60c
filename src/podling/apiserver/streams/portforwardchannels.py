"""Port-forward over WebSocket channels, for clients without SPDY (the Python client's `portforward` for one).

The ports are named in the query; port number i has channel 2i for data and 2i + 1 for errors, and the first message
on each is the port as two bytes, little-endian. One connection a port, made at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from podling.api.errors import BadRequest
from podling.apiserver.message import Connection, Request
from podling.apiserver.streams.channelinput import received
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.podports import PodPorts, Refused
from podling.apiserver.streams.session import until_either_ends
from podling.supervise import Supervisor
from podling.wire.websocket import Channels, WebSocket

PROTOCOLS = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")


def ports_of(request: Request) -> Sequence[int]:
    """The query's `ports`, each a number or several with commas. Raises BadRequest."""
    ports = []
    for text in (text for value in request.params("ports") for text in value.split(",")):
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise BadRequest(f'query parameter "ports" is invalid: "{text}" is not a port')
        ports.append(int(text))
    if not ports:
        raise BadRequest('query parameter "ports" is required')
    return ports


class PortChannels:
    """One client; `run` returns when it has left or every port has closed."""

    def __init__(self, connection: Connection, protocol: str, asked: Sequence[int], ports: PodPorts) -> None:
        self._connection, self._asked, self._ports = connection, asked, ports
        self._channels = Channels.of(protocol)
        self._socket = WebSocket()
        self._pipes: dict[int, Pipe] = {}

    async def run(self) -> None:
        try:
            for index, port in enumerate(self._asked):
                await self._begin(index, port)
            await until_either_ends(self._output(), self._input())
        finally:
            for pipe in self._pipes.values():
                pipe.close()

    async def _begin(self, index: int, port: int) -> None:
        for channel in (2 * index, 2 * index + 1):
            await self._send(channel, port.to_bytes(2, "little"))
        try:
            self._pipes[index] = await self._ports.connect(str(port))
        except Refused as refused:
            await self._send(2 * index + 1, str(refused).encode())

    async def _output(self) -> None:
        async with Supervisor() as tasks:
            for index, pipe in self._pipes.items():
                tasks.start(f"port {self._asked[index]}", self._from_port(index, pipe))
            await tasks.wait()
        await self._connection.write(self._socket.close())

    async def _from_port(self, index: int, pipe: Pipe) -> None:
        while data := await pipe.read():
            await self._send(2 * index, data)

    async def _input(self) -> None:
        async for channel, payload in received(self._connection, self._socket, self._channels):
            await self._take(channel, payload)

    async def _take(self, channel: int, payload: bytes) -> None:
        pipe = self._pipes.get(channel // 2)
        if pipe is None or channel % 2:
            return
        try:
            await pipe.write(payload)
        except ConnectionError:
            return  # the port has closed; what it sent last is on its way to the client

    async def _send(self, channel: int, payload: bytes) -> None:
        message = self._channels.pack(channel, payload)
        await self._connection.write(self._socket.message(message.data, text=message.text))
