"""The sockets of the cluster's DNS: datagrams drained in bursts, and TCP for what does not fit.

One wake-up reads up to 64 datagrams and answers each with one lookup; an asyncio datagram transport would cost three
times as much CPU (DESIGN 18).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from podling.dns.resolver import Resolver
from podling.wire.dns import PLAIN, Malformed, pack_answer, parse_query

_DRAIN = 64
_TCP_SECONDS = 10.0
_LONGEST_QUERY = 4096


class Server:
    """Answers at one address, by UDP and TCP, until closed. Make it within a running loop."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._turn = 0
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self.answered = 0

    async def start(self, address: str, port: int = 53) -> int:
        """Listen; returns the port (0 asks for any). Raises OSError."""
        loop = asyncio.get_running_loop()
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            port = tcp.getsockname()[1]
            udp.bind((address, port))
            self._tcp = await loop.create_server(lambda: _Stream(self.reply), sock=tcp)
        except BaseException:
            tcp.close()
            udp.close()
            raise
        self._udp = udp
        loop.add_reader(udp.fileno(), self._drain, udp)
        return port

    def close(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None

    def reply(self, data: bytes, *, stream: bool = False) -> bytes | None:
        """The answer to a message; None where none is due."""
        self.answered += 1
        if data[2:12] == PLAIN:
            # Lower case also changes letters among the last four bytes, but no type or class that is ready has any.
            ready = self._resolver.plain.get(data[12:].lower())
            if ready is not None:
                return data[:2] + ready[0] + data[12:] + ready[1]
        try:
            query = parse_query(data)
        except Malformed:
            return None
        self._turn += 1
        return pack_answer(query, self._resolver.answer(query), turn=self._turn, stream=stream)

    def _drain(self, udp: socket.socket) -> None:
        for _ in range(_DRAIN):
            try:
                data, client = udp.recvfrom(_LONGEST_QUERY)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier answer
            reply = self.reply(data)
            if reply is not None:
                with contextlib.suppress(OSError):  # who asked is gone, or the buffer is full: he will ask again
                    udp.sendto(reply, client)


class _Stream(asyncio.Protocol):
    """DNS over TCP: each message behind its length; several on one connection, in order."""

    def __init__(self, reply: Callable[..., bytes | None]) -> None:
        self._reply = reply
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._restart_timeout()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        self._restart_timeout()
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            reply = self._reply(bytes(self._buffer[2:end]), stream=True)
            del self._buffer[:end]
            if reply is None:
                self._transport.close()
                return
            self._transport.write(len(reply).to_bytes(2, "big") + reply)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timeout is not None:
            self._timeout.cancel()

    def _restart_timeout(self) -> None:
        assert self._transport is not None
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = asyncio.get_running_loop().call_later(_TCP_SECONDS, self._transport.close)
