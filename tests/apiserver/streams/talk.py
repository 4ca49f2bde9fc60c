"""A WebSocket client on a raw TLS connection, for what kubectl does not say."""

from __future__ import annotations

import asyncio

from podling.wire.websocket import Event, Message, WebSocket
from tests.apiserver.streams.world import World


class Talk:
    """Says messages and hears events; None is the end of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.socket = WebSocket(mask=lambda: b"mask")
        self._heard: list[Event] = []

    async def say(self, message: Message) -> None:
        await self.send(self.socket.message(message.data, text=message.text))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self) -> Event | None:
        async with asyncio.timeout(5):
            while not self._heard:
                data = await self._reader.read(65536)
                if not data:
                    return None
                self._heard += self.socket.feed(data)
        return self._heard.pop(0)


async def talk(here: World, path: str, protocol: str) -> Talk:
    """Shake hands; the key is the RFC's own example."""
    reader, writer = await here.connect()
    offered = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offered}\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n"), head
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert f"Sec-WebSocket-Protocol: {protocol}\r\n" in head or not protocol
    return Talk(reader, writer)
